//! Puts the version and the commit into the binary's `--version`.
fn main() {
    substrate_build_script_utils::generate_cargo_keys();
    // Linking the node takes minutes: only optimised ones are made again for a commit that changes nothing else.
    if std::env::var("OPT_LEVEL").is_ok_and(|level| level == "3") {
        substrate_build_script_utils::rerun_if_git_head_changed();
    }
}
