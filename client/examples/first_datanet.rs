//! Registers a Datanet on a development chain and reads it back:
//! `cargo run --release -p tributary-client --example first_datanet -- ws://127.0.0.1:9944`

use std::error::Error;
use tributary_client::{ChainClient, Journal, Keypair, Submitter, calls};
use tributary_protocol::{
    Ppm,
    amount::TRIB,
    datanet::{AccessPolicy, Admission, PurposeSet, Schema, Terms},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9944".to_owned());
    let client = ChainClient::connect(&url).await?;
    println!("{} ({:?}), genesis {:?}", client.chain_name(), client.kind(), client.genesis());

    let alice = Keypair::development("Alice").ok_or("no such development key")?;
    let owner = Submitter::new(client.clone(), alice, Journal::in_memory()?)?;
    println!("{} has {:?}", owner.account(), client.latest().balance(owner.account()).await?);

    let terms = Terms {
        price: TRIB,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::from_percent(10),
        admission: Admission::Anyone,
        access: AccessPolicy::Open,
        grant_blocks_max: 100_000,
        grant_uses_max: 100,
        licence: b"CC-BY-4.0".to_vec().try_into().map_err(|_| "too long")?,
    };
    let name = b"rivers".to_vec().try_into().map_err(|_| "too long")?;
    let domain = b"geography".to_vec().try_into().map_err(|_| "too long")?;
    let description = b"Questions about rivers".to_vec().try_into().map_err(|_| "too long")?;
    let register = calls::datanets::register(&name, &domain, &description, Schema::PromptCompletion, &terms);
    let receipt = owner.submit_with("register/rivers", &register, |phase| println!("{phase:?}")).await?;
    let datanet = receipt.datanet()?;
    println!("datanet {datanet}, fee {:?}", receipt.fee()?);
    println!("{:?}", client.latest().datanet(datanet).await?);
    println!("{:?}", client.latest().balance(owner.account()).await?);

    // A call that must fail says why.
    match owner.submit("bond/nothing", &calls::jobs::bond(0)).await {
        Ok(_) => println!("bonding nothing succeeded"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}
