import ReactMarkdown from "react-markdown";
import remarkGfm from "remark-gfm";

/** Markdown of strangers: becomes elements, never HTML; links lead out, images are not fetched. */
export default function Markdown({ text }: { text: string }) {
    return (
        <div className="markdown">
            <ReactMarkdown
                remarkPlugins={[remarkGfm]}
                skipHtml
                disallowedElements={["img"]}
                components={{
                    a: ({ href, children }) => (
                        <a href={href} target="_blank" rel="noreferrer nofollow noopener">
                            {children}
                        </a>
                    ),
                }}
            >
                {text}
            </ReactMarkdown>
        </div>
    );
}
