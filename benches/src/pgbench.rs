//! The baseline: the same rows written by hand-written SQL, one order per transaction.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio::process::Command;

use crate::process;
use crate::stage::Stage;

/// Runs one of the scripts in `benches/pgbench` for so many seconds.
pub(crate) async fn run(stage: &Stage, script: &str, seconds: u64) -> anyhow::Result<()> {
    let mut command = Command::new(find()?);
    command
        .args(["--no-vacuum", "--client=8", "--jobs=2", "--protocol=prepared"])
        .arg(format!("--time={seconds}"))
        .arg(format!("--file=benches/pgbench/{script}.sql"))
        .arg(&stage.database_url);
    process::finished(command).await?;
    Ok(())
}

/// Debian keeps it out of the path, one per version; the newest is taken.
fn find() -> anyhow::Result<PathBuf> {
    let version = |path: &PathBuf| -> u32 {
        let name = path.parent().and_then(|bin| bin.parent()).and_then(|folder| folder.file_name());
        name.and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|entry| entry.path().join("bin/pgbench")).filter(|path| path.exists());
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("pgbench")).collect::<Vec<_>>()
    });
    installed
        .max_by_key(version)
        .or_else(|| on_path.into_iter().find(|path| path.exists()))
        .context("pgbench is missing; it comes with the package postgresql")
}
