//! Every page of the API, asked as a browser asks, and held to `openapi.json`.

use super::{
    chain::Outcome,
    http::{Answer, ask, get, stream},
    schema::Description,
};
use std::{net::SocketAddr, path::Path};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tributary_client::Keypair;
use tributary_studio::{Studio, StudioConfig, UploadsConfig};

const OWN: [(&str, &str); 1] = [("x-tributary", "1")];
const GOOD: &[u8] = b"{\"prompt\":\"What of the fog?\",\"completion\":\"Sound the horn.\"}\n";

/// Starts a gateway over an index that is there already, and asks it everything.
pub async fn assert_as_described(node: &str, data: &Path, outcome: Option<Outcome>) {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tributary-tiny");
    let trainers = std::env::var("TRIBUTARY_STUDIO_TRAINER").ok();
    let config = StudioConfig {
        node: node.to_owned(),
        public_node: node.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        data: data.to_owned(),
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
    let gateway = address.await.unwrap();
    let description = Description(serde_json::from_str(tributary_studio::OPENAPI).unwrap());

    reads(gateway, &description).await;
    lists_are_paged(gateway).await;
    if let Some(outcome) = outcome {
        the_story_is_told(gateway, &outcome).await;
    }
    refusals(gateway, &description).await;
    files(gateway, &description).await;
    streams(gateway, &description).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

async fn reads(gateway: SocketAddr, description: &Description) {
    let alice = Keypair::development("Alice").unwrap().account().to_string();
    for (path, asked) in [
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
    ] {
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
