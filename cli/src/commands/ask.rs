//! `tributary ask`: a question to an operator's model, paid by vouchers that are signed as they are needed.

use super::{channel, voucher::PurseArgs};
use crate::{
    amounts::Money,
    args::parse,
    context::Context,
    output::Output,
    progress::Task,
    purse::{Count, Line, Purse, sign},
    views::text,
};
use anyhow::{Context as _, bail, ensure};
use clap::Args as Arguments;
use serde_json::{Value, json};
use tributary_client::{Account, ChainClient, Channel, Keypair, PAGE};
use tributary_daemon::http;
use tributary_protocol::{Amount, ChannelId, ModelId, channel::ChannelState, model::Prices, voucher::VOUCHER_HEADER};

/// What to ask, of whom, and who pays.
#[derive(Arguments, Clone, Debug)]
pub struct Args {
    /// The question
    question: String,
    /// The model that answers
    #[arg(long, value_parser = parse::model)]
    model: ModelId,
    /// The channel that pays; of yours to an operator of the model the one with most left, if left out
    #[arg(long, value_parser = parse::channel)]
    channel: Option<ChannelId>,
    /// Where the operator is; as it says on the chain, if left out
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Most tokens of the answer
    #[arg(long, default_value_t = 256)]
    tokens: u32,
    /// 0 takes the most likely token every time
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// What the answer may cost at most
    #[arg(long, value_name = "AMOUNT", default_value = "1")]
    pay_at_most: Money,
    #[command(flatten)]
    purse: PurseArgs,
}

/// An operator's server, with the channel that pays it.
struct Shop {
    url: String,
    genesis: [u8; 32],
    channel_id: ChannelId,
    channel: Channel,
    model: ModelId,
    prices: Prices,
    key: Keypair,
}

impl Args {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        let client = context.client().await?;
        let shop = self.shop(context, &client).await?;
        let mut purse = Purse::open(self.purse.purse.as_deref(), shop.genesis, shop.channel_id)?;
        let mut line = purse.line(shop.model, &shop.channel);
        let body = json!({
            "model": format!("tributary-model-{}", self.model),
            "messages": [{ "role": "user", "content": self.question }],
            "max_completion_tokens": self.tokens,
            "temperature": self.temperature,
        });
        let body = body.to_string().into_bytes();
        let task = Task::spinner(format!("asking {}", shop.url));
        // The voucher that is there may pay already. If not, the operator says what would.
        let mut signed = line.signed;
        let mut answer = shop.send("/v1/chat/completions", signed, &body).await?;
        if answer.status == 402 {
            task.note("signing a voucher");
            let refusal = parse_json(&answer)?;
            (signed, line.used) = shop.quoted(&refusal["error"], &line, self.tokens, self.pay_at_most.0)?;
            let left = purse.left_for(shop.model, &shop.channel);
            ensure!(
                signed.amount <= left,
                "the answer may bring what was promised to {}, and channel {} has {} for this model\nhint: tributary channel top-up {}",
                Money(signed.amount),
                shop.channel_id,
                Money(left),
                shop.channel_id
            );
            purse.keep(shop.model, Line { signed, ..line })?;
            answer = shop.send("/v1/chat/completions", signed, &body).await?;
        }
        drop(task);
        let reply = parse_json(&answer)?;
        if answer.status != 200 {
            bail!("the operator does not answer ({}): {}", answer.status, message(&reply));
        }
        let cost = shop.cost(&reply)?;
        let used = line.used.plus(&cost)?;
        purse.keep(shop.model, Line { signed, used })?;
        shop.say_exactly(used).await;
        Ok(self.show(&shop, &reply, cost, used))
    }

    async fn shop(&self, context: &Context, client: &ChainClient) -> anyhow::Result<Shop> {
        let (head, view) = client.latest_with_head();
        let key = self.purse.voucher_key(context)?;
        let (channel_id, channel) = match self.channel {
            Some(id) => (id, channel::find(&view, id).await?),
            None => self.usual_channel(client, context.account_or_own(None)?, &key).await?,
        };
        ensure!(channel.state == ChannelState::Open, "channel {channel_id} is closing and pays nothing more");
        let offer = view.offer(self.model, channel.operator).await?.filter(|offer| offer.until > head.number);
        let offer = offer.with_context(|| {
            format!(
                "{} does not offer model {} at the moment; hint: tributary channel operators {}",
                channel.operator, self.model, self.model
            )
        })?;
        let url = match &self.url {
            Some(url) => url.clone(),
            None => {
                let deployments = view.deployments(self.model, PAGE).await?;
                let found = deployments.into_iter().find(|(operator, _)| *operator == channel.operator);
                let (_, deployment) =
                    found.with_context(|| format!("{} does not say where it is; hint: --url", channel.operator))?;
                text(&deployment.endpoint)
            }
        };
        let trimmed = url.trim_end_matches('/');
        let url = trimmed.strip_suffix("/v1").unwrap_or(trimmed).to_owned();
        let (genesis, model, prices) = (client.genesis().0, self.model, offer.prices);
        Ok(Shop { url, genesis, channel_id, channel, model, prices, key })
    }

    /// Of the account's open channels to operators that offer the model, the one with most left.
    async fn usual_channel(
        &self,
        client: &ChainClient,
        app: Account,
        key: &Keypair,
    ) -> anyhow::Result<(ChannelId, Channel)> {
        let view = client.latest();
        let offers = view.offers(self.model, PAGE).await?;
        let serves = |operator: Account| offers.iter().any(|(account, _)| *account == operator);
        let own = channel::all(&view).await?.into_iter().filter(|(_, channel)| {
            channel.app == app
                && channel.key == key.account().0
                && channel.state == ChannelState::Open
                && serves(channel.operator)
        });
        own.max_by_key(|(_, channel)| channel.left()).with_context(|| {
            format!(
                "{app} has no open channel to an operator of model {}\nhint: tributary channel operators {}, then tributary channel open",
                self.model, self.model
            )
        })
    }

    fn show(&self, shop: &Shop, reply: &Value, cost: Count, used: Count) -> Output {
        let answer = reply["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        let sold = &reply["tributary"];
        let left = Money(shop.channel.funded.saturating_sub(used.amount));
        let number = &sold["receipt"]["number"];
        let receipt = if number.is_null() { String::new() } else { format!(", receipt {number}") };
        let json = json!({
            "model": self.model, "channel": shop.channel_id, "operator": shop.channel.operator, "answer": answer,
            "price": Money(cost.amount), "input_tokens": cost.input_tokens, "output_tokens": cost.output_tokens,
            "used": used, "receipt": sold["receipt"],
        });
        // The answer comes from a stranger's machine.
        let lines: Vec<String> = answer.lines().map(|line| text(line.as_bytes())).collect();
        Output::new(json, lines.join("\n")).and(format!(
            "— {} for {} tokens in and {} out; {left} of channel {} is not used{receipt}",
            Money(cost.amount),
            cost.input_tokens,
            cost.output_tokens,
            shop.channel_id,
        ))
    }
}

impl Shop {
    async fn send(&self, path: &str, count: Count, body: &[u8]) -> anyhow::Result<http::Answer> {
        let voucher = sign(&self.key, self.genesis, &self.channel, (self.channel_id, self.model), count)?.to_string();
        Ok(http::post(&format!("{}{path}", self.url), &[(VOUCHER_HEADER, &voucher)], body).await?)
    }

    /// The voucher to sign for what the operator quotes, and what was used so far: by the chain's prices, within what was signed,
    /// and for no more than is allowed.
    fn quoted(
        &self,
        error: &Value,
        line: &Line,
        tokens_max: u32,
        pay_at_most: Amount,
    ) -> anyhow::Result<(Count, Count)> {
        let quote = &error["quote"];
        let code = error["code"].as_str().unwrap_or_default();
        ensure!(quote.is_object(), "the operator does not answer ({code}): {}", message(&json!({ "error": error })));
        let number = |value: &Value| value.as_u64().context("the operator's quote cannot be read");
        let used = read_count(&quote["used"]).context("the operator's quote cannot be read")?;
        ensure!(
            used.fits(&line.signed),
            "the operator says that {} were used for {} and {} tokens, and vouchers were signed over {} for {} and {} at most\nhint: was \
             the note of this channel lost, or did another program use it? Then close the channel and open another",
            Money(used.amount),
            used.input_tokens,
            used.output_tokens,
            Money(line.signed.amount),
            line.signed.input_tokens,
            line.signed.output_tokens
        );
        if !used.fits(&line.used) {
            // An answer that was cut off is paid as far as it came, and only the operator knows how far that was.
            tracing::warn!(
                "the operator counts {} for answers so far, and this program {}: was one cut off?",
                Money(used.amount),
                Money(line.used.amount)
            );
        }
        let used = used.or_more(&line.used);
        let (input, output) = (number(&quote["prompt_tokens"])?, number(&quote["answer_tokens_max"])?);
        let wanted = Count::priced(&self.prices, input, output.min(tokens_max.into()))?;
        ensure!(
            wanted.amount <= pay_at_most,
            "the answer may cost {}, and at most {} are allowed\nhint: --pay-at-most, or fewer --tokens",
            Money(wanted.amount),
            Money(pay_at_most)
        );
        Ok((used.plus(&wanted)?.or_more(&line.signed), used))
    }

    /// What the answer cost, by its usage and the chain's prices. The operator may ask less.
    fn cost(&self, reply: &Value) -> anyhow::Result<Count> {
        let usage = &reply["usage"];
        let number = |name: &str| usage[name].as_u64().with_context(|| format!("the answer does not say its {name}"));
        let cost = Count::priced(&self.prices, number("prompt_tokens")?, number("completion_tokens")?)?;
        let price: Option<Amount> = reply["tributary"]["price"].as_str().and_then(|price| price.parse().ok());
        match price {
            Some(price) if price > cost.amount => bail!(
                "the operator charges {} for an answer of {}: what was signed for more is not signed again\nhint: another operator",
                Money(price),
                Money(cost.amount)
            ),
            Some(price) => Ok(Count { amount: price, ..cost }),
            None => Ok(cost),
        }
    }

    /// Tells the operator exactly what it may redeem, in the place of what was promised ahead.
    async fn say_exactly(&self, used: Count) {
        match self.send("/v1/vouchers", used, b"{}").await {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => tracing::warn!("the operator does not take the exact voucher: status {}", answer.status),
            Err(error) => tracing::warn!("the operator does not take the exact voucher: {error:#}"),
        }
    }
}

fn read_count(value: &Value) -> Option<Count> {
    Some(Count {
        input_tokens: value["input_tokens"].as_u64()?,
        output_tokens: value["output_tokens"].as_u64()?,
        amount: value["amount"].as_str()?.parse().ok()?,
    })
}

fn parse_json(answer: &http::Answer) -> anyhow::Result<Value> {
    serde_json::from_slice(&answer.body)
        .with_context(|| format!("the operator's answer is no JSON (status {})", answer.status))
}

/// What an error in OpenAI's shape says, without control characters.
fn message(reply: &Value) -> String {
    text(reply["error"]["message"].as_str().unwrap_or("no reason is given").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(input_tokens: u64, output_tokens: u64, amount: Amount) -> Count {
        Count { input_tokens, output_tokens, amount }
    }

    /// One unit for a token of a request, two for one of an answer.
    fn shop() -> Shop {
        let key = Keypair::development("Alice").unwrap();
        let channel = Channel {
            app: key.account(),
            operator: Account([2; 32]),
            key: key.account().0,
            funded: 1_000,
            redeemed: 0,
            paid: Vec::new().try_into().unwrap(),
            state: ChannelState::Open,
            deposit: 0,
            opened_at: 0,
        };
        let prices = Prices { input_per_1000: 1_000, output_per_1000: 2_000 };
        let (channel_id, model, url) = (ChannelId(1), ModelId(2), "http://x".to_owned());
        Shop { url, genesis: [7; 32], channel_id, channel, model, prices, key }
    }

    fn quote(used: Count, prompt: u64, answer: u64) -> Value {
        let used = json!({
            "input_tokens": used.input_tokens, "output_tokens": used.output_tokens, "amount": used.amount.to_string(),
        });
        json!({
            "code": "voucher_used_up", "message": "more",
            "quote": { "prompt_tokens": prompt, "answer_tokens_max": answer, "used": used },
        })
    }

    #[test]
    fn what_is_signed_follows_from_the_chains_prices_and_the_own_count() {
        let (line, own) = (Line { signed: count(20, 50, 90), used: count(10, 5, 20) }, count(10, 5, 20));
        let (signed, used) = shop().quoted(&quote(own, 12, 100), &line, 100, 212).unwrap();
        assert_eq!((signed, used), (count(22, 105, 232), own));
        // Less than was signed before is never signed again: it is no less in any part.
        let (signed, _) = shop().quoted(&quote(own, 1, 1), &line, 100, 212).unwrap();
        assert_eq!(signed, line.signed);
        // An operator that wants more tokens than were asked for gets no more.
        let (signed, _) = shop().quoted(&quote(own, 12, 1_000), &line, 100, 212).unwrap();
        assert_eq!(signed.output_tokens, 105);
        // An answer that was cut off: the operator's count, within what was signed.
        let (signed, used) = shop().quoted(&quote(count(20, 10, 40), 1, 50), &line, 100, 212).unwrap();
        assert_eq!((signed, used), (count(21, 60, 141), count(20, 10, 40)));
    }

    #[test]
    fn what_is_beyond_is_not_signed() {
        let line = Line { signed: count(20, 50, 90), used: count(10, 5, 20) };
        let refused = |error: &Value, most| shop().quoted(error, &line, 100, most).unwrap_err().to_string();
        assert!(refused(&quote(line.used, 12, 100), 211).contains("--pay-at-most"));
        assert!(refused(&quote(count(21, 5, 20), 1, 1), 1_000).contains("vouchers were signed"));
        assert!(refused(&json!({ "code": "overdrawn", "message": "no" }), 1_000).contains("overdrawn"));
    }

    #[test]
    fn an_answer_costs_what_its_usage_says_or_less() {
        let reply = |price: &str| {
            json!({
                "usage": { "prompt_tokens": 12, "completion_tokens": 10 }, "tributary": { "price": price },
            })
        };
        assert_eq!(shop().cost(&reply("32")).unwrap(), count(12, 10, 32));
        assert_eq!(shop().cost(&reply("30")).unwrap(), count(12, 10, 30));
        assert!(shop().cost(&reply("33")).is_err());
    }
}
