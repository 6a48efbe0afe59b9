//! The people of the story, each an account of the development chain.

use anyhow::Context as _;
use std::sync::atomic::{AtomicU32, Ordering};
use tributary_client::{Account, Call, ChainClient, Journal, Keypair, Receipt, SubmitError, Submitter, calls};
use tributary_protocol::{Amount, amount::TRIB};

/// Somebody who acts.
pub struct Actor {
    /// The name of the development key.
    pub name: &'static str,
    submitter: Submitter,
    intents: AtomicU32,
}

impl Actor {
    /// The holder of a development key.
    pub fn new(client: &ChainClient, name: &'static str) -> anyhow::Result<Self> {
        let key = Keypair::development(name).context("names of the story are plain")?;
        let submitter = Submitter::new(client.clone(), key, Journal::in_memory()?)?;
        Ok(Self { name, submitter, intents: AtomicU32::new(0) })
    }

    /// The account.
    pub fn account(&self) -> Account {
        self.submitter.account()
    }

    /// The key.
    pub fn key(&self) -> &Keypair {
        self.submitter.key()
    }

    /// The secret, as the processes of the story get it in their environment.
    pub fn secret(&self) -> String {
        format!("//{}", self.name)
    }

    /// Makes a call, and waits until it is in a block.
    pub async fn does(&self, call: &Call) -> anyhow::Result<Receipt> {
        self.tries(call).await.with_context(|| format!("{}: {call}", self.name))
    }

    /// As [`Self::does`], with the refusal as it is.
    pub async fn tries(&self, call: &Call) -> Result<Receipt, SubmitError> {
        self.submitter.submit_in_block(&self.intent(), call).await
    }

    /// Makes a call, and waits until it is final.
    pub async fn does_for_good(&self, call: &Call) -> anyhow::Result<Receipt> {
        self.submitter.submit(&self.intent(), call).await.with_context(|| format!("{}: {call}", self.name))
    }

    fn intent(&self) -> String {
        self.intents.fetch_add(1, Ordering::Relaxed).to_string()
    }
}

/// Everybody.
pub struct Cast {
    /// Owns the Datanet.
    pub owner: Actor,
    /// Judges contributions.
    pub curator: Actor,
    /// Contribute.
    pub contributors: [Actor; 3],
    /// Owns the base model.
    pub base_owner: Actor,
    /// Pays for the model.
    pub requester: Actor,
    /// Train.
    pub trainers: [Actor; 2],
    /// Pays for using the model.
    pub buyer: Actor,
}

impl Cast {
    /// The cast on one chain.
    pub fn new(client: &ChainClient) -> anyhow::Result<Self> {
        let actor = |name| Actor::new(client, name);
        Ok(Self {
            owner: actor("Owner")?,
            curator: actor("Curator")?,
            contributors: [actor("Ada")?, actor("Ben")?, actor("Cem")?],
            base_owner: actor("BaseOwner")?,
            requester: actor("Requester")?,
            trainers: [actor("TrainerOne")?, actor("TrainerTwo")?],
            buyer: actor("Buyer")?,
        })
    }

    /// Everybody, with the role they play.
    pub fn everybody(&self) -> Vec<(&'static str, &Actor)> {
        let [ada, ben, cem] = &self.contributors;
        let [one, two] = &self.trainers;
        vec![
            ("Datanet's owner", &self.owner),
            ("curator", &self.curator),
            ("contributor", ada),
            ("contributor", ben),
            ("contributor", cem),
            ("base model's owner", &self.base_owner),
            ("requester", &self.requester),
            ("trainer", one),
            ("trainer", two),
            ("buyer", &self.buyer),
        ]
    }

    /// Gives everybody money to begin with, out of the development chain's endowment, in one transaction.
    pub async fn endow(&self, client: &ChainClient) -> anyhow::Result<()> {
        const ENDOWMENT: Amount = 1_000 * TRIB;
        let alice = Actor::new(client, "Alice")?;
        let transfers = self
            .everybody()
            .into_iter()
            .map(|(_, actor)| calls::balances::transfer_keep_alive(actor.account(), ENDOWMENT))
            .collect();
        alice.does_for_good(&calls::utility::batch_all(transfers)).await?;
        Ok(())
    }
}
