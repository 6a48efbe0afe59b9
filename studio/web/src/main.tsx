import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { I18nProvider } from "react-aria-components";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { followChain } from "./api/live";
import { applyTheme } from "./app/theme";
import { router } from "./app/router";
import "./design/tokens.css";
import "./design/base.css";
import "./design/components.css";
import "./design/shell.css";

const client = new QueryClient({
    defaultOptions: {
        queries: {
            // The live stream says what changed. What it does not, grows old slowly.
            staleTime: 30_000,
            retry: (failures, error) => !(error instanceof ApiError && error.status < 500) && failures < 2,
        },
    },
});

applyTheme();
followChain(client);

const container = document.getElementById("root");
if (!container) throw new Error("the page has no #root");
createRoot(container).render(
    <StrictMode>
        <I18nProvider locale="en-US">
            <QueryClientProvider client={client}>
                <RouterProvider router={router} />
            </QueryClientProvider>
        </I18nProvider>
    </StrictMode>,
);
