import { Server } from "lucide-react";
import { useState } from "react";
import type { ModelDetail } from "../../api/client";
import { live } from "../../api/live";
import { deployModel, undeployModel } from "../../chain/calls";
import { exactAmount, parseAmount } from "../../lib/amount";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Account, Amount, When } from "../../ui/data";
import { CodeBlock } from "../../ui/CodeBlock";
import { EmptyState } from "../../ui/feedback";
import { AmountField, TextField } from "../../ui/fields";
import { useAddress, useConfig } from "../../wallet/useWallet";

const OFFER_DAYS = 7;

export function Deployments({ detail }: { detail: ModelDetail }) {
    const { model, deployments, offers } = detail;
    const address = useAddress();
    const config = useConfig();
    const [isOpen, setOpen] = useState(false);
    const [isLeaving, setLeaving] = useState(false);
    const [endpoint, setEndpoint] = useState("https://");
    const [input, setInput] = useState(() => exactAmount(BigInt(model.prices.input_per_1000) * 2n));
    const [output, setOutput] = useState(() => exactAmount(BigInt(model.prices.output_per_1000) * 2n));
    const isMine = deployments.some((one) => one.operator === address);
    const prices = { input_per_1000: parseAmount(input), output_per_1000: parseAmount(output) };
    const isUrl = /^https?:\/\/[^\s]+$/.test(endpoint);
    const fits =
        prices.input_per_1000 !== null &&
        prices.output_per_1000 !== null &&
        prices.input_per_1000 >= BigInt(model.prices.input_per_1000) &&
        prices.output_per_1000 >= BigInt(model.prices.output_per_1000);
    const make = () => {
        const until = (live.get().head?.number ?? 0) + Math.floor((OFFER_DAYS * 86_400_000) / (config?.chain.block_ms ?? 3_000));
        return Promise.resolve(
            deployModel(
                model.id,
                endpoint,
                { input_per_1000: prices.input_per_1000 ?? 0n, output_per_1000: prices.output_per_1000 ?? 0n },
                until,
            ),
        );
    };
    return (
        <>
            {deployments.length === 0 ? (
                <EmptyState icon={<Server />} title={t.models.notDeployed}>
                    {model.status === "published" ? t.models.notDeployedText : t.models.publishFirst}
                </EmptyState>
            ) : (
                <div className="table-wrap">
                    <table>
                        <thead>
                            <tr>
                                <th>{t.chat.operator}</th>
                                <th>{t.models.endpoint}</th>
                                <th className="number">{t.models.inputShort}</th>
                                <th className="number">{t.models.outputShort}</th>
                                <th>{t.grants.until}</th>
                            </tr>
                        </thead>
                        <tbody>
                            {deployments.map((one) => {
                                const offer = offers.find((other) => other.operator === one.operator);
                                return (
                                    <tr key={one.operator}>
                                        <td>
                                            <Account address={one.operator} />
                                        </td>
                                        <td>
                                            <code className="endpoint" title={one.endpoint}>
                                                {one.endpoint.replace(/^https?:\/\//, "")}
                                            </code>
                                        </td>
                                        <td className="number">{offer ? <Amount value={offer.prices.input_per_1000} /> : "–"}</td>
                                        <td className="number">{offer ? <Amount value={offer.prices.output_per_1000} /> : "–"}</td>
                                        <td>{offer ? <When at={offer.until} /> : "–"}</td>
                                    </tr>
                                );
                            })}
                        </tbody>
                    </table>
                </div>
            )}
            {model.status === "published" && (
                <details className="more">
                    <summary>{t.models.howToServe}</summary>
                    <div className="stack">
                        <p className="small">{t.models.howToServeText}</p>
                        <CodeBlock label={t.models.howToServe} code={t.models.serveCommand(config?.chain.node_url ?? "ws://127.0.0.1:9944", model.id)} />
                        <div className="row">
                            {isMine ? (
                                <Button size="small" kind="danger" onPress={() => setLeaving(true)}>
                                    {t.models.undeploy}
                                </Button>
                            ) : (
                                <Button size="small" onPress={() => setOpen(true)}>
                                    {t.models.deploy}
                                </Button>
                            )}
                        </div>
                    </div>
                </details>
            )}
            <TransactionDialog
                isOpen={isOpen}
                onClose={() => setOpen(false)}
                title={t.models.deployTitle}
                make={isUrl && fits ? make : null}
                feeKey={[endpoint, input, output]}
                spends={BigInt(config?.deposits.deployment ?? "0") + BigInt(config?.deposits.offer ?? "0")}
                confirm={t.models.deploy}
                form={
                    <>
                        <TextField
                            label={t.models.endpoint}
                            help={t.models.endpointHelp}
                            bytesMax={256}
                            type="url"
                            value={endpoint}
                            onChange={setEndpoint}
                            problem={isUrl || endpoint === "https://" ? null : t.models.endpointProblem}
                        />
                        <div className="form-grid">
                            <AmountField
                                label={t.models.input}
                                value={input}
                                onChange={setInput}
                                minimum={BigInt(model.prices.input_per_1000)}
                            />
                            <AmountField
                                label={t.models.output}
                                value={output}
                                onChange={setOutput}
                                minimum={BigInt(model.prices.output_per_1000)}
                            />
                        </div>
                    </>
                }
            />
            <TransactionDialog
                isOpen={isLeaving}
                onClose={() => setLeaving(false)}
                title={t.models.undeploy}
                make={() => Promise.resolve(undeployModel(model.id))}
                tone="danger"
                confirm={t.models.undeploy}
            />
        </>
    );
}
