//! Tests, one file per call.

mod deploy;
mod invariants;
mod publish;
mod reads;
mod record;
mod register_base;
mod set_terms;
mod undeploy;
mod withdraw;
