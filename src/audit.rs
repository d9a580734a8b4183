//! The audit as people read it: one line per truth.

use std::io::Write;

use crate::store::audit::Finding;

/// Prints one line per truth. Returns whether all of them hold.
pub fn report(findings: &[Finding], out: &mut impl Write) -> std::io::Result<bool> {
    for finding in findings {
        if finding.violations == 0 {
            writeln!(out, "ok    {}", finding.truth)?;
        } else {
            let examples = finding.examples.join(", ");
            writeln!(out, "FAIL  {}: {} rows, such as {examples}", finding.truth, finding.violations)?;
        }
    }
    Ok(findings.iter().all(|finding| finding.violations == 0))
}
