//! Where a model came from, as a graph that a page can draw.

use super::models::{ContributorView, ModelView};
use crate::{db::WorkError, index::reader::Reader};
use serde::Serialize;
use std::collections::BTreeSet;
use tributary_client::Account;
use tributary_protocol::ContributionId;

/// Contributions that are drawn, at most; the greatest first.
const CONTRIBUTIONS_MAX: usize = 60;
/// Characters of an address that are shown at its beginning and end.
const SHORT: usize = 6;

/// A thing that a model came from.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    id: String,
    kind: &'static str,
    label: String,
    detail: Option<String>,
    href: Option<String>,
}

/// What one thing has to do with another.
#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    from: String,
    to: String,
    label: &'static str,
}

/// The graph. Edges lead towards the model.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lineage {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Lineage {
    fn node(&mut self, kind: &'static str, id: String, label: String, detail: Option<String>, href: Option<String>) {
        if !self.nodes.iter().any(|node| node.id == id) {
            self.nodes.push(Node { id, kind, label, detail, href });
        }
    }

    fn edge(&mut self, from: &str, to: &str, label: &'static str) {
        self.edges.push(Edge { from: from.to_owned(), to: to.to_owned(), label });
    }
}

/// The graph of a model. With its leaves, contributions carry their shares; without, those of its versions are shown.
pub fn lineage(
    reader: &Reader<'_>,
    model: &ModelView,
    contributors: Option<&[ContributorView]>,
) -> Result<Lineage, WorkError> {
    let mut graph = Lineage::default();
    let (own, job, adapter) = (format!("model:{}", model.id), format!("job:{}", model.job), "adapter".to_owned());
    graph.node(
        "model",
        own.clone(),
        model.title.clone(),
        Some(format!("model {}", model.id)),
        href("models", &model.id),
    );
    let hash = hex::encode(model.adapter.0);
    graph.node(
        "adapter",
        adapter.clone(),
        format!("{}…", hash.get(..12).unwrap_or(&hash)),
        Some("adapter".into()),
        None,
    );
    graph.edge(&adapter, &own, "is");
    graph.node("job", job.clone(), format!("Run {}", model.job), None, href("jobs", &model.job));
    graph.edge(&job, &adapter, "made");
    let base = base_node(&mut graph, model);
    graph.edge(&base, &job, "tuned by");
    let trainer = format!("trainer:{}", model.trainer);
    graph.node(
        "trainer",
        trainer.clone(),
        short(&model.trainer),
        Some("trainer".into()),
        href("trainers", &model.trainer),
    );
    graph.edge(&trainer, &job, "ran");

    let mut drawn = BTreeSet::new();
    for used in &model.data {
        let version = format!("datanet-version:{}@{}", used.datanet, used.version);
        let label = format!("{} v{}", used.datanet_name, used.version);
        graph.node("datanet_version", version.clone(), label, None, href("datanets", &used.datanet));
        graph.edge(&version, &job, "trained on");
        let members = reader.all(
            "SELECT c.id AS id, c.contributor AS contributor, c.samples AS samples FROM version_contributions v
                JOIN contributions c ON c.id = v.contribution WHERE v.datanet = ? AND v.number = ? ORDER BY c.id",
            [used.datanet.0, used.version],
            |row| {
                let contributor = Account(row.get("contributor")?);
                Ok((ContributionId(row.get("id")?), contributor, row.get::<_, u32>("samples")?))
            },
        )?;
        let share = |id: ContributionId| {
            let own = contributors?.iter().filter(|leaf| leaf.contribution == id);
            Some(own.map(|leaf| leaf.share_ppm).fold(0u32, u32::saturating_add))
        };
        let mut members: Vec<_> = members.into_iter().map(|(id, who, samples)| (share(id), id, who, samples)).collect();
        members.sort_by_key(|(share, id, ..)| (std::cmp::Reverse(*share), *id));
        for (share, id, contributor, samples) in members {
            if drawn.len() >= CONTRIBUTIONS_MAX {
                break;
            }
            let node = format!("contribution:{id}");
            let detail = match share {
                Some(ppm) => format!("{:.2} %, {samples} samples", f64::from(ppm) / 1e4),
                None => format!("{samples} samples"),
            };
            if drawn.insert(id) {
                let to = href("contributions", &id);
                graph.node("contribution", node.clone(), format!("Contribution {id}"), Some(detail), to);
                let who = format!("contributor:{contributor}");
                graph.node("contributor", who.clone(), short(&contributor), None, href("accounts", &contributor));
                graph.edge(&who, &node, "contributed");
            }
            graph.edge(&node, &version, "in");
        }
    }
    Ok(graph)
}

fn base_node(graph: &mut Lineage, model: &ModelView) -> String {
    let id = format!("base-model:{}", model.base.id());
    graph.node("base_model", id.clone(), model.base.name().to_owned(), Some("base model".into()), None);
    id
}

fn href(page: &str, id: &dyn std::fmt::Display) -> Option<String> {
    Some(format!("/{page}/{id}"))
}

fn short(account: &Account) -> String {
    let text = account.to_string();
    match (text.get(..SHORT), text.get(text.len().saturating_sub(SHORT)..)) {
        (Some(start), Some(end)) => format!("{start}…{end}"),
        _ => text,
    }
}
