//! Every page of the API, asked as a browser asks, and held to `openapi.json`.

use super::{
    chain::Outcome,
    http::{Answer, ask, get, stream},
    postgres::Cluster,
    schema::Description,
};
use std::{net::SocketAddr, path::Path, time::Duration};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tributary_client::Keypair;
use tributary_studio::{Database, Studio, StudioConfig, StudioError, UploadsConfig};

const OWN: [(&str, &str); 1] = [("x-tributary", "1")];
const GOOD: &[u8] = b"{\"prompt\":\"What of the fog?\",\"completion\":\"Sound the horn.\"}\n";

/// Longer than a block takes to be finalised and indexed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway over an index that is there already.
pub struct Gateway {
    address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), StudioError>>,
}

impl Gateway {
    /// Starts it.
    pub async fn start(node: &str, data: &Path, database: &Database) -> Self {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tributary-tiny");
        let trainers = std::env::var("TRIBUTARY_STUDIO_TRAINER").ok();
        let config = StudioConfig {
            node: node.to_owned(),
            public_node: node.to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            data: data.to_owned(),
            database: database.clone(),
            trainers: trainers.iter().flat_map(|urls| urls.split(',')).map(|url| url.parse().unwrap()).collect(),
            serving: Vec::new(),
            web: None,
            bases: vec![base],
            uploads: UploadsConfig::Own { listen: Vec::new(), quota: 1 << 30 },
            providers: Vec::new(),
            reader: None,
        };
        let shutdown = CancellationToken::new();
        let (told, address) = oneshot::channel();
        let running = tokio::spawn(Studio::run(config, shutdown.clone(), move |address| told.send(address).unwrap()));
        Self { address: address.await.unwrap(), shutdown, running }
    }

    /// Stops it.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// Asks a gateway everything.
pub async fn assert_as_described(gateway: &Gateway, outcome: Option<Outcome>) {
    let gateway = gateway.address;
    let description = Description(serde_json::from_str(tributary_studio::OPENAPI).unwrap());
    reads(gateway, &description).await;
    lists_are_paged(gateway).await;
    if let Some(outcome) = outcome {
        the_story_is_told(gateway, &outcome).await;
    }
    refusals(gateway, &description).await;
    files(gateway, &description).await;
    streams(gateway, &description).await;
}

/// Two gateways of one chain say the same, byte for byte, once they are at the same block.
pub async fn assert_same(one: &Gateway, other: &Gateway) {
    let alice = Keypair::development("Alice").unwrap().account().to_string();
    let mut asked: Vec<String> = questions().into_iter().map(|(_, asked)| asked).collect();
    // What it has of its own is another thing.
    asked.retain(|asked| asked != "/api/config");
    let lists =
        ["datanets", "contributions", "grants", "base-models", "jobs", "models", "payouts", "trainers", "channels"];
    asked.extend(lists.iter().flat_map(|list| [format!("/api/{list}?limit=100"), format!("/api/{list}?limit=1")]));
    asked.extend(
        ["newest", "name", "price", "samples", "models"].map(|sort| format!("/api/datanets?sort={sort}&limit=1")),
    );
    asked.extend(["newest", "paid_in", "loss"].map(|sort| format!("/api/models?sort={sort}")));
    asked.extend(["harb", "Talk+village", "ship", "tiny+questions", "0", "%27+OR+1=1", "%00", "~"].iter().flat_map(
        |q| {
            [
                format!("/api/search?q={q}"),
                format!("/api/datanets?q={q}"),
                format!("/api/models?q={q}"),
                format!("/api/base-models?q={q}"),
            ]
        },
    ));
    asked.extend([
        format!("/api/search?q={alice}"),
        format!("/api/datanets?account={alice}&purpose=evaluation&licence=CC-BY-4.0&access=open&domain=shipping"),
        format!("/api/contributions?contributor={alice}&status=accepted"),
        format!("/api/grants?owner={alice}"),
        format!("/api/jobs?account={alice}&base=0&datanet=0"),
        format!("/api/models?operator={alice}"),
        format!("/api/models?owner={alice}&base=0&status=published"),
        format!("/api/payouts?account={alice}&role=treasury&model=0"),
        format!("/api/channels?account={alice}"),
        "/api/datanets?cursor=x~y".into(),
        "/api/datanets?cursor=1~0xab&limit=1".into(),
        "/api/trainers?cursor=1~2".into(),
        "/api/payouts?limit=2&cursor=30~1024".into(),
        "/api/datanets?licence=%00&purpose=commercial".into(),
        "/api/jobs?stage=none,%20open".into(),
        "/api/jobs/18446744073709551615".into(),
        "/api/jobs/77".into(),
        "/api/contributions?status=pending&datanet=1".into(),
        "/api/contributions?suspects=true".into(),
        "/api/contributions?suspects=false&datanet=0".into(),
    ]);
    for asked in asked {
        let both_say_the_same = async {
            loop {
                let (one, other) = tokio::join!(get(one.address, &asked), get(other.address, &asked));
                if (one.status, &one.body) == (other.status, &other.body) {
                    // Every page of a list, by its own cursors.
                    let next = if one.status == 200 { one.json()["next"].as_str().map(str::to_owned) } else { None };
                    return next;
                }
                // One of them is a block ahead.
                sleep(Duration::from_millis(200)).await;
            }
        };
        let mut next = match timeout(PATIENCE, both_say_the_same).await {
            Ok(next) => next,
            Err(_) => {
                let (one, other) = (get(one.address, &asked).await, get(other.address, &asked).await);
                panic!("{asked}: {} and {}", String::from_utf8_lossy(&one.body), String::from_utf8_lossy(&other.body));
            }
        };
        let path = asked.split_once('?').map_or(asked.as_str(), |(path, _)| path);
        let sort = asked.split('&').find_map(|part| part.find("sort=").and_then(|at| part.get(at..))).unwrap_or("a=b");
        // Blocks come in all the time; what the story left does not.
        while let (Some(cursor), false) = (next.take(), path.starts_with("/api/blocks")) {
            let cursor: String = url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
            let page = format!("{path}?{sort}&limit=1&cursor={cursor}");
            let (one, other) = tokio::join!(get(one.address, &page), get(other.address, &page));
            assert_eq!(one.json()["items"].as_array().unwrap().len(), 1, "{page}");
            assert_eq!(one.json()["next"], other.json()["next"], "{page}");
            next = one.json()["next"].as_str().map(str::to_owned);
        }
    }
}

/// A server that ends and comes back costs no more than the questions of that time; blocks are followed again.
pub async fn assert_a_lost_database_is_found_again(gateway: &Gateway, cluster: &mut Cluster) {
    let newest = async || get(gateway.address, "/api/network").await.json()["index"]["block"].as_u64().unwrap_or(0);
    let before = newest().await;
    cluster.stop();
    let away = get(gateway.address, "/api/datanets").await;
    assert_eq!((away.status, away.code().as_str()), (503, "index_away"));
    cluster.run();
    let followed = async {
        while newest().await <= before {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, followed).await.expect("the gateway follows again");
}

/// What a gateway is asked: paths of the description with questions of them.
fn questions() -> Vec<(&'static str, String)> {
    let alice = Keypair::development("Alice").unwrap().account().to_string();
    vec![
        ("/api/config", "/api/config".to_owned()),
        ("/api/network", "/api/network".into()),
        ("/api/datanets", "/api/datanets?sort=models&status=active&purpose=research".into()),
        ("/api/datanets/facets", "/api/datanets/facets".into()),
        ("/api/datanets/{id}", "/api/datanets/0".into()),
        ("/api/datanets/{id}/versions", "/api/datanets/0/versions".into()),
        ("/api/datanets/{id}/contributions", "/api/datanets/0/contributions".into()),
        ("/api/datanets/{id}/grants", "/api/datanets/0/grants".into()),
        ("/api/datanets/{id}/models", "/api/datanets/0/models".into()),
        ("/api/datanets/{id}/earnings", "/api/datanets/0/earnings".into()),
        ("/api/contributions", format!("/api/contributions?curator={alice}")),
        ("/api/contributions/{id}", "/api/contributions/0".into()),
        ("/api/grants", "/api/grants?status=active".into()),
        ("/api/grants/{id}", "/api/grants/0".into()),
        ("/api/base-models", "/api/base-models?q=tiny".into()),
        ("/api/base-models/{id}", "/api/base-models/0".into()),
        ("/api/jobs", "/api/jobs?stage=settled,cancelled,open".into()),
        ("/api/jobs/{id}", "/api/jobs/0".into()),
        ("/api/models", "/api/models?sort=loss".into()),
        ("/api/models/{id}", "/api/models/0".into()),
        ("/api/payouts", "/api/payouts".into()),
        ("/api/accounts/{address}", format!("/api/accounts/{alice}")),
        ("/api/accounts/{address}/earnings", format!("/api/accounts/{alice}/earnings")),
        ("/api/trainers", "/api/trainers".into()),
        ("/api/channels", "/api/channels".into()),
        ("/api/blocks/recent", "/api/blocks/recent?limit=3".into()),
        ("/api/search", "/api/search?q=0".into()),
    ]
}

async fn reads(gateway: SocketAddr, description: &Description) {
    for (path, asked) in questions() {
        let answer = get(gateway, &asked).await;
        assert_eq!(answer.status, 200, "{asked}: {}", String::from_utf8_lossy(&answer.body));
        let faults = description.faults(path, "get", &answer.json());
        assert!(faults.is_empty(), "{asked}: {faults:#?}");
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    }
    let trainers = get(gateway, "/api/trainers").await.json();
    let trainer = trainers["items"][0]["account"].as_str().unwrap().to_owned();
    let answer = get(gateway, &format!("/api/trainers/{trainer}")).await;
    assert_eq!(description.faults("/api/trainers/{account}", "get", &answer.json()), Vec::<String>::new());
}

async fn lists_are_paged(gateway: SocketAddr) {
    let first = get(gateway, "/api/blocks/recent?limit=2").await.json();
    let next = first["next"].as_str().unwrap();
    let second = get(gateway, &format!("/api/blocks/recent?limit=2&cursor={next}")).await.json();
    let number = |page: &serde_json::Value, index: usize| page["items"][index]["number"].as_u64().unwrap();
    assert_eq!(number(&second, 0) + 1, number(&first, 1));
    assert!(first["total"].as_u64().unwrap() > 4);
}

/// Figures that follow from the story which the test played.
async fn the_story_is_told(gateway: SocketAddr, outcome: &Outcome) {
    let (charlie, claimed) = outcome.claimed;
    let network = get(gateway, "/api/network").await.json();
    assert_eq!(network["paid_to_contributors"], claimed.to_string());
    assert_eq!(network["paid_in"], outcome.funded.to_string());
    assert_eq!((&network["jobs"]["settled"], &network["models_published"]), (&1.into(), &1.into()));

    let contributions = get(gateway, "/api/datanets/0/contributions").await.json();
    let status = |index: usize| contributions["items"][index]["status"].as_str().unwrap().to_owned();
    assert_eq!([status(0), status(1), status(2), status(3)], ["withdrawn", "accepted", "rejected", "accepted"]);
    assert_eq!(contributions["items"][2]["reason"], "no answers in it");
    assert_eq!(get(gateway, "/api/contributions/0").await.json()["contribution"]["claimed"], claimed.to_string());

    let job = get(gateway, "/api/jobs/0").await.json();
    let events: Vec<&str> =
        job["history"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["posted", "claimed", "reported", "settled"]);
    let forgotten = get(gateway, "/api/jobs/1").await.json();
    assert_eq!((&forgotten["job"]["stage"], &forgotten["job"]["is_forgotten"]), (&"cancelled".into(), &true.into()));

    let model = get(gateway, "/api/models/0").await.json();
    assert_eq!(model["model"]["is_affected"], true, "its grant was revoked");
    assert_eq!(model["model"]["title"], "tiny on Harbour questions");
    assert_eq!(model["deployments"][0]["endpoint"], "http://127.0.0.1:1");
    assert_eq!(model["contributors"], serde_json::Value::Null, "no trainer shows the leaves");

    let earnings = get(gateway, &format!("/api/accounts/{charlie}/earnings")).await.json();
    assert_eq!((&earnings["claimed"], &earnings["is_complete"]), (&claimed.to_string().into(), &false.into()));
    let csv = get(gateway, &format!("/api/accounts/{charlie}/earnings.csv")).await;
    let csv = String::from_utf8(csv.body).unwrap();
    assert!(csv.lines().count() == 2 && csv.contains(",contributor,claim,"), "{csv}");
    let found = get(gateway, "/api/search?q=harb").await.json();
    let titles: Vec<&str> =
        found["items"].as_array().unwrap().iter().map(|hit| hit["title"].as_str().unwrap()).collect();
    assert!(titles.contains(&"Harbour questions"), "{titles:?}");
    let datanets = get(gateway, "/api/datanets?q=village").await.json();
    assert_eq!((&datanets["total"], &datanets["items"][0]["status"]), (&1.into(), &"retired".into()));
    let claims = get(gateway, &format!("/api/models/0/claims/{charlie}")).await;
    assert_eq!((claims.status, claims.code().as_str()), (404, "leaves_unknown"));
}

async fn refusals(gateway: SocketAddr, description: &Description) {
    let bad = |answer: Answer| {
        let faults = description.faults_of("Error", &answer.json());
        assert!(faults.is_empty(), "{faults:?}");
        (answer.status, answer.code())
    };
    let error = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(bad(get(gateway, "/api/datanets/9999").await), error(404, "not_found"));
    assert_eq!(bad(get(gateway, "/api/datanets/x").await), error(400, "bad_request"));
    assert_eq!(bad(get(gateway, "/api/nothing").await), error(404, "not_found"));
    assert_eq!(bad(get(gateway, "/api/accounts/5x").await), error(400, "bad_request"));
    assert_eq!(bad(get(gateway, "/v1/models").await), error(503, "no_serving"));
    assert_eq!(bad(ask(gateway, "POST", "/api/datanets", &OWN, b"").await), error(405, "method_not_allowed"));
    let foreign = [("x-tributary", "1"), ("origin", "http://evil.example")];
    let check = "/api/data/check?name=a.jsonl";
    assert_eq!(bad(ask(gateway, "POST", check, &foreign, GOOD).await), error(403, "other_origin"));
    assert_eq!(bad(ask(gateway, "POST", check, &[], GOOD).await), error(403, "header_missing"));
    assert_eq!(bad(ask(gateway, "POST", "/api/estimate", &OWN, b"{}").await), error(415, "not_json"));
    let page = get(gateway, "/datanets").await;
    assert!(page.head.contains("content-security-policy: default-src 'none'; script-src 'self';"), "{}", page.head);
}

async fn files(gateway: SocketAddr, description: &Description) {
    let post = async |path: &str, body: &[u8]| ask(gateway, "POST", path, &OWN, body).await;
    let good = post("/api/data/check?name=fog.jsonl", GOOD).await;
    assert_eq!(description.faults("/api/data/check", "post", &good.json()), Vec::<String>::new());
    assert_eq!(good.json()["is_submittable"], true);
    let wrong =
        post("/api/data/check?name=a.jsonl", b"{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":1}\n").await;
    let wrong = wrong.json();
    assert_eq!((&wrong["refused"]["total"], &wrong["is_submittable"]), (&1.into(), &false.into()));
    assert_eq!(wrong["refused"]["first"][0]["place"], serde_json::json!({"kind": "line", "number": 2}));
    let unreadable = post("/api/data/check?name=a.bin", b"\x00\x01\x02").await;
    assert_eq!((unreadable.status, unreadable.code().as_str()), (422, "unreadable_file"));
    assert!(!String::from_utf8_lossy(&unreadable.body).contains("/tmp"), "{unreadable:?}");

    let kept = post("/api/uploads?name=fog.csv", b"prompt,completion\nWhat of the fog?,Sound the horn.\n").await;
    let kept = kept.json();
    assert_eq!(description.faults("/api/uploads", "post", &kept), Vec::<String>::new());
    // The same sample, whatever the file: the same commitment.
    assert_eq!(kept["commitment"], good.json()["commitment"]);
    assert_eq!(kept["was_held"], false);
    assert_eq!(post("/api/uploads?name=fog.jsonl", GOOD).await.json()["was_held"], true);

    let asked = br#"{"base": 0, "data": [{"datanet": 0, "version": 1}]}"#;
    let headers = [OWN[0], ("content-type", "application/json")];
    let estimate = ask(gateway, "POST", "/api/estimate", &headers, asked).await;
    // The story's base model is not one that the gateway has; the demonstration's is.
    match estimate.status {
        422 => assert_eq!(estimate.code(), "no_base"),
        _ => assert_eq!(description.faults("/api/estimate", "post", &estimate.json()), Vec::<String>::new()),
    }
}

async fn streams(gateway: SocketAddr, description: &Description) {
    let text = stream(gateway, "/api/live?after=0", |text| text.contains("event: head")).await;
    assert!(text.contains("event: changed"), "{text}");
    let data = |name: &str| {
        let (_, rest) = text.split_once(&format!("event: {name}\n")).unwrap();
        let line = rest.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str(line).unwrap()
    };
    assert_eq!(description.faults_of("LiveHead", &data("head")), Vec::<String>::new());
    assert_eq!(description.faults_of("LiveChanged", &data("changed")), Vec::<String>::new());
    if std::env::var_os("TRIBUTARY_STUDIO_TRAINER").is_none() {
        // Nobody shows the run, and it is over.
        let text = stream(gateway, "/api/jobs/0/events", |text| text.contains("event: end")).await;
        assert!(!text.contains("id:"), "{text}");
    }
}
