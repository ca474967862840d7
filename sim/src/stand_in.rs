//! What is not there yet.

pub(crate) mod scenario {
    use postrider_sim::{Plan, Tier};

    pub(crate) struct Scenario {
        pub(crate) name: &'static str,
        pub(crate) story: &'static str,
        pub(crate) tier: Tier,
        pub(crate) plan: fn(u64) -> Plan,
    }

    pub(crate) fn all() -> &'static [Scenario] {
        &[]
    }
}
