//! Chance that is the same in every run.

/// Numbers that look random (Knuth's generator of MMIX).
pub struct Random(pub u64);

impl Random {
    /// A number from zero to below the limit.
    pub fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as i64) % limit
    }
}
