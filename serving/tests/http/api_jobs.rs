//! Files and fine-tuning jobs, as OpenAI's clients ask for them.

use crate::common::small;
use crate::harness::{Got, Running, start, start_for};
use async_trait::async_trait;
use axum::body::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tributary_serving::api::ApiLimits;
use tributary_serving::{
    Credentials, Hyperparameters, JobCheckpoint, JobError, JobEvent, JobStatus, Jobs, Level, Page, Paged, StoredFile,
    TuningJob, Upload, WantedJob,
};

/// Keeps everything in memory; jobs are never begun.
#[derive(Default)]
struct Memory(Mutex<(Vec<Upload>, Vec<TuningJob>)>);

fn unknown(what: &'static str, id: &str) -> JobError {
    JobError::Unknown { what, id: id.to_owned() }
}

/// The newest first, as far as a page goes.
fn paged<T>(all: Vec<T>, page: &Page, id: impl Fn(&T) -> String) -> Paged<T> {
    let mut rest: Vec<T> = all.into_iter().rev().collect();
    if let Some(after) = &page.after {
        let at = rest.iter().position(|item| id(item) == *after).map_or(rest.len(), |at| at + 1);
        rest.drain(..at);
    }
    let has_more = rest.len() > page.limit;
    rest.truncate(page.limit);
    Paged { items: rest, has_more }
}

fn stored((index, upload): (usize, &Upload)) -> StoredFile {
    let bytes = upload.content.len() as u64;
    StoredFile { id: format!("file-{index}"), name: upload.name.clone(), bytes, created_s: 7 }
}

impl Memory {
    fn all(&self) -> Vec<StoredFile> {
        self.0.lock().unwrap().0.iter().enumerate().map(stored).collect()
    }
}

#[async_trait]
impl Jobs for Memory {
    async fn upload(&self, _: &Credentials, upload: Upload) -> Result<StoredFile, JobError> {
        let files = &mut self.0.lock().unwrap().0;
        files.push(upload);
        Ok(stored((files.len() - 1, &files[files.len() - 1])))
    }

    async fn files(&self, _: &Credentials, page: Page) -> Result<Paged<StoredFile>, JobError> {
        Ok(paged(self.all(), &page, |file| file.id.clone()))
    }

    async fn file(&self, _: &Credentials, id: &str) -> Result<StoredFile, JobError> {
        self.all().into_iter().find(|file| file.id == id).ok_or_else(|| unknown("file", id))
    }

    async fn content(&self, _: &Credentials, id: &str) -> Result<Bytes, JobError> {
        let place = self.all().iter().position(|file| file.id == id).ok_or_else(|| unknown("file", id))?;
        Ok(self.0.lock().unwrap().0[place].content.clone())
    }

    async fn delete(&self, who: &Credentials, id: &str) -> Result<(), JobError> {
        self.file(who, id).await?;
        Err(JobError::Conflict { reason: "a job trains on it".into() })
    }

    async fn create(&self, who: &Credentials, wanted: WantedJob) -> Result<TuningJob, JobError> {
        if self.file(who, &wanted.training_file).await.is_err() {
            return Err(JobError::Invalid { param: "training_file", reason: "there is no such file".into() });
        }
        let jobs = &mut self.0.lock().unwrap().1;
        let job = TuningJob {
            id: format!("ftjob-{}", jobs.len()),
            wanted,
            status: JobStatus::Queued,
            created_s: 9,
            finished_s: None,
            estimated_finish_s: Some(20),
            trained_tokens: None,
        };
        jobs.push(job.clone());
        Ok(job)
    }

    async fn jobs(&self, _: &Credentials, page: Page) -> Result<Paged<TuningJob>, JobError> {
        Ok(paged(self.0.lock().unwrap().1.clone(), &page, |job| job.id.clone()))
    }

    async fn job(&self, _: &Credentials, id: &str) -> Result<TuningJob, JobError> {
        self.0.lock().unwrap().1.iter().find(|job| job.id == id).cloned().ok_or_else(|| unknown("job", id))
    }

    async fn events(&self, who: &Credentials, id: &str, page: Page) -> Result<Paged<JobEvent>, JobError> {
        self.job(who, id).await?;
        let event = |number: u64| JobEvent {
            id: format!("event-{number}"),
            created_s: number,
            level: if number == 2 { Level::Warning } else { Level::Info },
            message: format!("step {number}"),
            metrics: if number == 1 { BTreeMap::from([("train_loss".into(), 0.5)]) } else { BTreeMap::new() },
        };
        Ok(paged((0..3).map(event).collect(), &page, |event| event.id.clone()))
    }

    async fn checkpoints(&self, who: &Credentials, id: &str, page: Page) -> Result<Paged<JobCheckpoint>, JobError> {
        self.job(who, id).await?;
        let metrics = BTreeMap::from([("train_loss".to_owned(), 0.25)]);
        let one = JobCheckpoint { id: "c".into(), created_s: 1, model: "m:step-10".into(), step: 10, metrics };
        Ok(paged(vec![one], &page, |checkpoint| checkpoint.id.clone()))
    }

    async fn cancel(&self, _: &Credentials, id: &str) -> Result<TuningJob, JobError> {
        let jobs = &mut self.0.lock().unwrap().1;
        let job = jobs.iter_mut().find(|job| job.id == id).ok_or_else(|| unknown("job", id))?;
        job.status = JobStatus::Cancelled;
        Ok(job.clone())
    }
}

async fn with_jobs() -> Running {
    let limits = ApiLimits { file_bytes_max: 5000, ..ApiLimits::default() };
    start_for(limits, small(), Some(Arc::new(Memory::default()))).await
}

fn form(fields: &[(&str, Option<&str>, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, file, content) in fields {
        let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        body += &format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n");
    }
    (body + "--cut--\r\n").into_bytes()
}

async fn upload(server: &Running, fields: &[(&str, Option<&str>, &str)]) -> Got {
    let headers = [("content-type", "multipart/form-data; boundary=cut")];
    server.send("POST", "/v1/files", &headers, &form(fields)).await
}

const LINES: &str = "{\"prompt\": \"a\", \"completion\": \"b\"}\n\n{\"messages\": []}\n";

fn code(got: &Got) -> (u16, Value, Value) {
    let error = got.json()["error"].clone();
    (got.status, error["code"].clone(), error["param"].clone())
}

#[tokio::test]
async fn without_somebody_who_trains_the_routes_say_so() {
    let server = start().await;
    for path in ["/v1/files", "/v1/files/x", "/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs/x/events"] {
        let got = server.get(path).await;
        assert_eq!(code(&got), (501, json!("not_configured"), Value::Null), "{path}");
        assert!(got.json()["error"]["message"].as_str().unwrap().contains("hint: "));
    }
    assert_eq!(upload(&server, &[("file", Some("a.jsonl"), LINES)]).await.status, 501);
}

#[tokio::test]
async fn files_come_back_as_they_were_given() {
    let server = with_jobs().await;
    for number in 0..3 {
        let name = format!("{number}.jsonl");
        let got = upload(&server, &[("purpose", None, "fine-tune"), ("file", Some(&name), LINES)]).await;
        let expected = json!({ "id": format!("file-{number}"), "object": "file", "bytes": LINES.len(), "created_at": 7,
            "filename": name, "purpose": "fine-tune", "status": "processed" });
        assert_eq!(got.json(), expected);
        assert_eq!(server.get(&format!("/v1/files/file-{number}")).await.json(), expected);
    }
    assert_eq!(server.get("/v1/files/file-1/content").await.body, LINES);
    let list = server.get("/v1/files?limit=2&purpose=fine-tune").await.json();
    assert_eq!((&list["object"], &list["has_more"]), (&json!("list"), &json!(true)));
    assert_eq!((&list["first_id"], &list["last_id"]), (&json!("file-2"), &json!("file-1")));
    let rest = server.get("/v1/files?after=file-1").await.json();
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (1, &json!(false)));
    assert_eq!(code(&server.send("DELETE", "/v1/files/file-1", &[], b"").await).0, 409);
    assert_eq!(code(&server.get("/v1/files/other").await), (404, json!("not_found"), json!("id")));
}

#[tokio::test]
async fn files_that_nothing_can_be_trained_on_are_refused() {
    let server = with_jobs().await;
    let purpose = ("purpose", None, "fine-tune");
    for (fields, word, param) in [
        (vec![purpose], "missing_required_parameter", "file"),
        (vec![("file", Some("a"), LINES)], "missing_required_parameter", "purpose"),
        (vec![("purpose", None, "batch"), ("file", Some("a"), LINES)], "invalid_value", "purpose"),
        (vec![purpose, ("file", Some("a/b"), LINES)], "invalid_value", "file"),
        (vec![purpose, ("file", Some("a"), "{}\nx")], "invalid_file", "file"),
        (vec![purpose, ("file", Some("a"), "[]")], "invalid_file", "file"),
        (vec![purpose, ("file", Some("a"), "")], "invalid_file", "file"),
        (vec![purpose, purpose], "invalid_value", "purpose"),
        (vec![purpose, ("model", None, "x")], "unknown_parameter", "model"),
    ] {
        assert_eq!(code(&upload(&server, &fields).await), (400, json!(word), json!(param)), "{fields:?}");
    }
    let got = upload(&server, &[purpose, ("file", Some("a"), "{}\n{}\nx")]).await;
    assert!(got.json()["error"]["message"].as_str().unwrap().contains("line 3"), "{}", got.body);
    let long = format!("{{\"a\": \"{}\"}}", "a".repeat(6000));
    assert_eq!(code(&upload(&server, &[purpose, ("file", Some("a"), &long)]).await).0, 413);
    assert_eq!(server.post("/v1/files", &json!({})).await.status, 415);
    let headers = [("content-type", "multipart/form-data; boundary=cut")];
    assert_eq!(code(&server.send("POST", "/v1/files", &headers, b"--cut\r\n").await).1, "invalid_json");
    for (query, param) in [("limit=0", "limit"), ("limit=x", "limit"), ("order=asc", "order"), ("purpose=x", "purpose")]
    {
        assert_eq!(code(&server.get(&format!("/v1/files?{query}")).await).2, param);
    }
}

#[tokio::test]
async fn jobs_are_read_and_written_in_openais_shape() {
    let server = with_jobs().await;
    upload(&server, &[("purpose", None, "fine-tune"), ("file", Some("a.jsonl"), LINES)]).await;
    let path = "/v1/fine_tuning/jobs";
    let method =
        json!({ "type": "supervised", "supervised": { "hyperparameters": { "n_epochs": 3, "batch_size": "auto" } } });
    let ask = json!({ "model": "base", "training_file": "file-0", "seed": 4, "suffix": "mine", "method": method,
        "metadata": { "a": "b" } });
    let got = server.post(path, &ask).await;
    assert_eq!(got.status, 200, "{}", got.body);
    let job = got.json();
    assert_eq!((&job["object"], &job["status"]), (&json!("fine_tuning.job"), &json!("queued")));
    assert_eq!(
        (&job["fine_tuned_model"], &job["error"], &job["result_files"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    let expected = json!({ "n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto" });
    assert_eq!((&job["hyperparameters"], &job["method"]["supervised"]["hyperparameters"]), (&expected, &expected));
    assert_eq!((&job["seed"], &job["metadata"]["a"]), (&json!(4), &json!("b")));
    let id = job["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("{path}/{id}")).await.json(), job);
    assert_eq!(server.get(path).await.json()["data"], json!([job]));
    let events = server.get(&format!("{path}/{id}/events?limit=2")).await.json();
    assert_eq!((&events["data"][0]["level"], &events["data"][1]["type"]), (&json!("warn"), &json!("metrics")));
    assert_eq!((&events["data"][1]["data"]["train_loss"], &events["has_more"]), (&json!(0.5), &json!(true)));
    let checkpoints = server.get(&format!("{path}/{id}/checkpoints")).await.json();
    assert_eq!(checkpoints["data"][0]["fine_tuned_model_checkpoint"], "m:step-10");
    assert_eq!(checkpoints["data"][0]["fine_tuning_job_id"], id);
    let cancelled = server.send("POST", &format!("{path}/{id}/cancel"), &[], b"").await.json();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(code(&server.get(&format!("{path}/other")).await).0, 404);
    let none = Hyperparameters::default();
    assert_eq!(none.epochs.or(none.batch_size), None);
    for (changes, word, param) in [
        (json!({ "training_file": "file-9" }), "invalid_value", "training_file"),
        (json!({ "training_file": null }), "missing_required_parameter", "training_file"),
        (json!({ "method": { "type": "dpo" } }), "unsupported_parameter", "method.type"),
        (
            json!({ "method": { "type": "supervised", "supervised": { "hyperparameters": { "n_epochs": 0 } } } }),
            "invalid_value",
            "method.supervised.hyperparameters.n_epochs",
        ),
        (json!({ "hyperparameters": { "n_epochs": 1 } }), "invalid_value", "hyperparameters"),
        (json!({ "suffix": "" }), "invalid_value", "suffix"),
        (json!({ "integrations": [] }), "unsupported_parameter", "integrations"),
        (json!({ "epochs": 1 }), "unknown_parameter", "epochs"),
    ] {
        let mut ask = ask.clone();
        ask.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        assert_eq!(code(&server.post(path, &ask).await), (400, json!(word), json!(param)), "{changes}");
    }
}
