//! A model that three contributions shaped, as tests of receipts and epochs need it.

use super::{
    shares::{ResultError, Results},
    store::{Draft, Owner, ReceiptStore},
};
use serde_json::json;
use std::sync::Arc;
use tributary_client::{Account, Keypair, Stream};
use tributary_daemon::{Bundle, BundleContents, Recipe, Shares};
use tributary_protocol::{
    Amount, ContentHash, ContributionId, JobId, ModelId, Ppm,
    amount::TRIB,
    answer::{Accuracy, Measured, attributed_part},
    job::Metrics,
    receipt::{Receipt, ReceiptShare},
    recipe::{AttributionMethod, Hyperparameters, Method, TangentWay},
    stream::{ContributionRoot, Parties, SHARE_UNITS, Split},
    sum_tree::Domain,
};

pub const GENESIS: [u8; 32] = [7; 32];
pub const MODEL: ModelId = ModelId(4);
pub const ADAPTER: ContentHash = ContentHash([5; 32]);
pub const ATTRIBUTION: AttributionMethod =
    AttributionMethod::GroupTangents { groups: 16, halves: 0, coalitions: 12, way: TangentWay::Loss };
/// Units of the contributions by training.
pub const UNITS: [u64; 3] = [500_000_000, 300_000_000, 200_000_000];

pub fn key() -> Keypair {
    Keypair::development("Dave").unwrap()
}

pub fn owner() -> Owner {
    Owner { genesis: GENESIS, operator: key().account() }
}

/// The contributor at a place.
pub fn contributor(place: u8) -> Account {
    Account([place + 1; 32])
}

/// So accurate that four fifths are attributed.
pub fn accuracy() -> Accuracy {
    let coalitions = Measured { value: 750_000, low: 680_000, high: 800_000 };
    let accuracy = Accuracy { coalitions, coalition_count: 12, query_count: 10, ..Accuracy::default() };
    assert_eq!(attributed_part(Some(&accuracy)), Ppm::from_percent(80));
    accuracy
}

/// A bundle as far as shares and evidence go: three contributions of one sample each, with scores like their units.
pub fn bundle() -> Bundle {
    let sample = |place: u8| {
        let hash = ContentHash([place; 32]);
        let score = UNITS[usize::from(place)] / 100_000_000;
        json!({ "sample": hash, "cluster": hash, "similarity": 0, "group": 0, "score": score,
            "units": UNITS[usize::from(place)] })
    };
    let contribution = |place: u8| {
        json!({ "contribution": place, "contributor": ContentHash(contributor(place).0), "samples": 1, "copies": 0,
            "units": UNITS[usize::from(place)], "training": [sample(place)] })
    };
    let report = json!({
        "format": 3, "method": ATTRIBUTION, "base": ContentHash::default(), "checkpoints": [], "embeddings": null,
        "tangents": null, "accuracy": accuracy(), "validation": [], "groups": [1], "ghosts": [], "by_samples": false,
        "contributions": [contribution(0), contribution(1), contribution(2)],
    });
    let report = tributary_attribution::AttributionReport::from_bytes(report.to_string().as_bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in [tributary_lora::CONFIG_FILE, tributary_lora::WEIGHTS_FILE] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let recipe = Recipe { method: Method::Lora, hyperparameters: Hyperparameters::DEFAULT, attribution: ATTRIBUTION };
    let shares = Shares::new(&report, &Domain { genesis: GENESIS, job: JobId(3) });
    let contents = BundleContents {
        recipe: &recipe,
        metrics: &Metrics::default(),
        trace: &[],
        attribution: &report,
        shares: &shares,
        embeddings: None,
        tangents: None,
    };
    Bundle::collect(folder.path(), &contents).unwrap()
}

/// Has one bundle, or none.
pub struct OneResult(pub Option<Bundle>);

impl Results for OneResult {
    fn bundle(&self, adapter: ContentHash) -> Result<Option<Bundle>, ResultError> {
        Ok(self.0.clone().filter(|_| adapter == ADAPTER))
    }
}

/// The model's stream.
pub fn stream() -> Stream {
    let nobody = Account([0; 32]);
    let parties =
        Parties { base_owner: nobody, trainer: nobody, model_owner: nobody, datanet_owners: Default::default() };
    let shares = bundle().shares().unwrap().tree().unwrap().root();
    Stream {
        job: JobId(3),
        parties,
        split: Split::DEFAULT,
        contributions: ContributionRoot { shares, attributed: Ppm::from_percent(80), ..Default::default() },
        revenue_per_unit: Default::default(),
        carry: Default::default(),
        funded: 0,
        contributors_funded: 0,
        claimed: 0,
    }
}

/// A receipt without a number: of the units that may be attributed, all go to the contribution at `place`.
pub fn receipt(place: u32, price: Amount) -> Receipt {
    let units = 800_000_000;
    Receipt {
        operator: owner().operator.0,
        model: MODEL,
        number: 0,
        adapter: ADAPTER,
        request: ContentHash::of(b"request"),
        response: ContentHash::of(b"response"),
        input_tokens: 10,
        output_tokens: 20,
        price,
        method: ContentHash::of(b"method"),
        base: SHARE_UNITS - units,
        shares: vec![ReceiptShare { index: place, units }].try_into().unwrap(),
    }
}

/// A store with a receipt for each of `places`, at a TRIB each.
pub fn store(places: &[u32]) -> Arc<ReceiptStore> {
    let store = ReceiptStore::in_memory(owner()).unwrap();
    for place in places {
        sell(&store, *place);
    }
    Arc::new(store)
}

/// One more answer.
pub fn sell(store: &ReceiptStore, place: u32) {
    let sale = store.total().unwrap();
    let draft = Draft { sale, receipt: receipt(place, TRIB), method: b"method".to_vec(), evidence: None };
    store.issue(draft, |payload| key().sign(payload)).unwrap();
}

#[test]
fn the_fixture_is_consistent() {
    let bundle = bundle();
    let report = bundle.evidence().unwrap();
    assert_eq!(report.contributions.iter().map(|part| part.units).collect::<Vec<_>>(), UNITS);
    assert_eq!(report.contributions[2].contribution, ContributionId(2));
}
