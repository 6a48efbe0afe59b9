import { useSuspenseQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { datanet } from "../../api/queries";
import { useAddress } from "../../wallet/useWallet";

/** The Datanet whose tab this is. Its page has read it before it shows a tab. */
export function useDatanet() {
    const { id } = useParams({ from: "/datanets/$id" });
    const { data } = useSuspenseQuery(datanet(id));
    const address = useAddress();
    const isOwner = address === data.owner;
    return { datanet: data, isOwner, isCurator: isOwner || (address !== null && data.curators.includes(address)) };
}
