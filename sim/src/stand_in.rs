//! What is not there yet.

pub(crate) mod report {
    use postrider_sim::{Plan, Run};

    /// A page of the trace.
    pub(crate) fn html(plan: &Plan, run: &Run) -> String {
        let lines = run
            .text
            .join("\n")
            .replace('&', "&amp;")
            .replace('<', "&lt;");
        format!(
            "<!doctype html><title>seed {}</title><pre>{lines}</pre>\n",
            plan.seed
        )
    }
}

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
