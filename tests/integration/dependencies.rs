//! What the project is built from: every package comes from the registry, under a licence that lets anyone use the result.

use serde_json::Value;
use std::process::Command;

/// Licences that ask for no more than naming the authors, and the weak copylefts that stop at a file or at linking.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The node's libraries: GPL with the exception that a program linked to them need not be.
const LINKING_EXCEPTION: &str = "GPL-3.0-or-later WITH Classpath-exception-2.0";

/// Packages that name a file instead of a licence, read by a person: OpenSSL's, ISC and MIT parts.
const READ_BY_A_PERSON: &[&str] = &["ring"];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_dependency_has_a_known_source_and_licence() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .current_dir(harness::repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if package["source"].as_str().is_some_and(|source| source != REGISTRY) {
            faults.push(format!("{name} comes from {}", package["source"]));
        }
        let accepted = match package["license"].as_str() {
            Some(licence) => accepts(licence),
            None => READ_BY_A_PERSON.contains(&name),
        };
        if !accepted {
            faults.push(format!("{name} has the licence {}", package["license"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether one of the choices that a licence expression leaves is among those above.
fn accepts(expression: &str) -> bool {
    let Ok(expression) = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX) else {
        return false;
    };
    expression.evaluate(|requirement| {
        let text = requirement.to_string();
        let licence = text.strip_suffix(" WITH LLVM-exception").unwrap_or(&text);
        LICENCES.contains(&licence) || text == LINKING_EXCEPTION
    })
}

#[test]
fn a_licence_that_binds_the_whole_program_is_refused() {
    for refused in ["GPL-3.0-only", "AGPL-3.0", "MIT AND GPL-2.0-only", "nonsense", ""] {
        assert!(!accepts(refused), "{refused}");
    }
    for accepted in ["MIT", "MIT/Apache-2.0", "GPL-2.0-only OR BSD-3-Clause", LINKING_EXCEPTION] {
        assert!(accepts(accepted), "{accepted}");
    }
}
