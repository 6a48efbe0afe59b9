// What accounts are called here: the person's own by the wallet's name, and on development chains those whose keys everybody
// knows. Nobody else has a name.
import { t } from "../strings/en";
import { spaced } from "./spaced";
import { useConfig, useWallet } from "./useWallet";

/** Addresses of `//Name`, so that a page needs no cryptography to show a name; tests/names.test.ts derives them. */
export const DEVELOPMENT_NAMES: Readonly<Record<string, string>> = {
    "5FTyuyEQQZs8tCcPTUFqotkm2SYfDnpefn9FitRgmTHnFDBD": "Owner",
    "5GGzGxhzR8vVzPU62XikT4he9qxR1DwUwFBVWG81AmBeTrY1": "Curator",
    "5FBhYxDBoQjJAWYE1fvRzH9EBwbqbtdXKjtwf1onWhx8E75w": "Ada",
    "5GeKHLPcLM4pdM1QddVSZrA9R4ZhMF4qY9k2yuALnFxhoGiy": "Ben",
    "5HGKxJSrR9R8vnfE6kZrB4VBj1HbVHPJaP31TD7TbYMZpyvQ": "Cem",
    "5C53HEC6E3waSbiRdH9ShTqjeCozGHnVLR9gKT4z8rXiYpbg": "Requester",
    "5HpumDD13RQio2HuYJffLhc555LANTFC9dRnKwscUh63k4nN": "TrainerOne",
    "5G748kxjHk7L7hreZhdCr23958pTzywjsQcYUi34HE4uUBte": "TrainerTwo",
    "5GCeZdeutAENEehL61LzZoUUJR4MZ49oS4NdKd4aU4d8cctQ": "BaseOwner",
    "5FTrX9Po5UMmwze8Um87zjmAazxYTrWUrt61ZkTKBQ5FHbMy": "Buyer",
    "5E7zxP4LfhhoUcH6c7o4z9XEajWFnF8Z6oL1fLdzje3XkEp5": "Operator",
    "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY": "Alice",
    "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty": "Bob",
    "5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y": "Charlie",
    "5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy": "Dave",
    "5HGjWAeFDfFCWPsjFQdVV2Msvz2XtMktvgocEZcCj68kUMaw": "Eve",
    "5CiPPseXPECbkjWCa6MnjNokrgYjMqmKndv2rSnekmSK2DjL": "Ferdie",
};

/** What `address` is called, or `null`. */
export function useAccountName(address: string): string | null {
    const own = useWallet();
    const isDevelopment = useConfig()?.is_development ?? false;
    const known = isDevelopment ? DEVELOPMENT_NAMES[address] : undefined;
    const name = known === undefined ? null : spaced(known);
    if (own?.address === address) return t.wallet.you(name ?? own.name);
    return name;
}
