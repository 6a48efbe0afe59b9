import { useState } from "react";
import type { Model } from "../../api/client";
import { publishModel, setModelTerms, withdrawModel } from "../../chain/calls";
import { exactAmount, parseAmount } from "../../lib/amount";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { AmountField } from "../../ui/fields";

type Action = "publish" | "price" | "withdraw";

/** What a model's owner does: publish it, price it, withdraw it. */
export function ModelActions({ model }: { model: Model }) {
    const [action, setAction] = useState<Action | null>(null);
    const [input, setInput] = useState(model.status === "private" ? "0.01" : exactAmount(model.prices.input_per_1000));
    const [output, setOutput] = useState(model.status === "private" ? "0.05" : exactAmount(model.prices.output_per_1000));
    if (model.status === "withdrawn" && action === null) return null;
    const prices = { input_per_1000: parseAmount(input), output_per_1000: parseAmount(output) };
    const known =
        prices.input_per_1000 !== null && prices.output_per_1000 !== null
            ? { input_per_1000: prices.input_per_1000, output_per_1000: prices.output_per_1000 }
            : null;
    const isPrivate = model.status === "private";
    return (
        <div className="own-bar">
            <p>{isPrivate ? t.models.yoursPrivate : t.models.yoursPublished}</p>
            <div className="row">
                {isPrivate ? (
                    <Button size="small" kind="primary" onPress={() => setAction("publish")} isDisabled={model.is_affected}>
                        {t.models.publish}
                    </Button>
                ) : (
                    <>
                        <Button size="small" onPress={() => setAction("price")}>
                            {t.models.changePrices}
                        </Button>
                        <Button size="small" kind="danger" onPress={() => setAction("withdraw")}>
                            {t.models.withdraw}
                        </Button>
                    </>
                )}
            </div>
            <TransactionDialog
                isOpen={action === "publish" || action === "price"}
                onClose={() => setAction(null)}
                title={action === "publish" ? t.models.publishTitle : t.models.priceTitle}
                make={
                    known
                        ? () => Promise.resolve(action === "publish" ? publishModel(model.id, known) : setModelTerms(model.id, known))
                        : null
                }
                feeKey={[action, input, output]}
                confirm={action === "publish" ? t.models.publish : t.models.changePrices}
                form={
                    <>
                        <p>{t.models.priceLead}</p>
                        <div className="form-grid">
                            <AmountField label={t.models.input} value={input} onChange={setInput} />
                            <AmountField label={t.models.output} value={output} onChange={setOutput} />
                        </div>
                    </>
                }
            />
            <TransactionDialog
                isOpen={action === "withdraw"}
                onClose={() => setAction(null)}
                title={t.models.withdrawTitle}
                make={() => Promise.resolve(withdrawModel(model.id))}
                feeKey={action}
                tone="danger"
                confirm={t.models.withdraw}
            >
                <p>{t.models.withdrawText}</p>
            </TransactionDialog>
        </div>
    );
}
