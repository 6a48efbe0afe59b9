import { useInfiniteQuery } from "@tanstack/react-query";
import { contributions, grants, jobs } from "../api/queries";
import { formatInteger } from "../lib/format";
import { t } from "../strings/en";
import { itemsOf } from "../ui/query";
import { useAddress } from "../wallet/useWallet";

/** Places of the menu where something may wait for this person. */
export type WaitingPlace = keyof typeof t.waiting;

const Count = ({ count, words }: { count: number; words: string }) =>
    count === 0 ? null : (
        <span className="count">
            {formatInteger(count)} <span className="visually-hidden">{words}</span>
        </span>
    );

/** How many things wait for this person's decision at a place of the menu. */
export function Waiting({ at }: { at: WaitingPlace }) {
    const address = useAddress();
    if (address === null) return null;
    const Place = { grants: Requests, datanets: Reviews, runs: Results }[at];
    return <Place address={address} />;
}

function Requests({ address }: { address: string }) {
    const query = useInfiniteQuery(grants({ owner: address, status: "requested" }));
    return <Count count={itemsOf(query).length} words={t.waiting.grants} />;
}

function Reviews({ address }: { address: string }) {
    const query = useInfiniteQuery(contributions({ curator: address, status: "pending" }));
    // Nobody judges what is their own.
    return <Count count={itemsOf(query).filter((one) => one.contributor !== address).length} words={t.waiting.datanets} />;
}

function Results({ address }: { address: string }) {
    const query = useInfiniteQuery(jobs({ requester: address, stage: "reported" }));
    return <Count count={itemsOf(query).length} words={t.waiting.runs} />;
}
