import { useQuery } from "@tanstack/react-query";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import type { ModelDetail } from "../../api/client";
import { servedModels } from "../../api/serving";
import { t } from "../../strings/en";
import { CodeBlock } from "../../ui/CodeBlock";
import { Notice } from "../../ui/feedback";
import { useConfig } from "../../wallet/useWallet";

/** Code that calls the model where it is served, ready to run with a key in TRIBUTARY_API_KEY. */
export function Snippets({ detail }: { detail: ModelDetail }) {
    const config = useConfig();
    const isConfigured = config?.serving.is_configured ?? false;
    const served = useQuery({
        queryKey: ["served", {}],
        queryFn: ({ signal }) => servedModels(signal),
        enabled: isConfigured,
        retry: false,
    });
    const here = served.data?.find((one) => one.model === detail.model.id);
    const elsewhere = detail.deployments[0];
    const endpoint = here || !elsewhere ? `${window.location.origin}/v1` : withVersion(elsewhere.endpoint);
    const model = here?.id ?? `tributary-model-${detail.model.id}`;
    if (!here && !elsewhere) return <Notice>{t.models.notCallable}</Notice>;
    const code = snippets(endpoint, model);
    return (
        <Tabs className="tabs">
            <TabList aria-label={t.models.language} className="toggle-group">
                {Object.keys(code).map((name) => (
                    <Tab key={name} id={name} className="toggle-tab">
                        {name}
                    </Tab>
                ))}
            </TabList>
            {Object.entries(code).map(([name, text]) => (
                <TabPanel key={name} id={name}>
                    <CodeBlock label={name} code={text} />
                </TabPanel>
            ))}
            <p className="small muted">{t.models.snippetNote}</p>
        </Tabs>
    );
}

const withVersion = (endpoint: string) => (/\/v1\/?$/.test(endpoint) ? endpoint.replace(/\/$/, "") : `${endpoint.replace(/\/$/, "")}/v1`);

export function snippets(endpoint: string, model: string): Record<string, string> {
    const question = t.models.exampleQuestion;
    return {
        curl: `curl ${endpoint}/chat/completions \\
  -H "Authorization: Bearer $TRIBUTARY_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "max_tokens": 128,
       "messages": [{"role": "user", "content": "${question}"}]}'`,
        Python: `# pip install openai
import os
from openai import OpenAI

client = OpenAI(base_url="${endpoint}", api_key=os.environ["TRIBUTARY_API_KEY"])
answer = client.chat.completions.create(
    model="${model}",
    max_tokens=128,
    messages=[{"role": "user", "content": "${question}"}],
)
print(answer.choices[0].message.content)`,
        Node: `// npm install openai
import OpenAI from "openai";

const client = new OpenAI({
    baseURL: "${endpoint}",
    apiKey: process.env.TRIBUTARY_API_KEY,
});
const answer = await client.chat.completions.create({
    model: "${model}",
    max_tokens: 128,
    messages: [{ role: "user", content: "${question}" }],
});
console.log(answer.choices[0].message.content);`,
    };
}
