//! Lists over all tenants.

use super::http::Query;
use super::show::Column;

/// Of whom a list tells.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct ReachArgs {
    /// Of all tenants; this needs a key for all of them
    #[arg(long)]
    all_tenants: bool,
}

impl ReachArgs {
    /// The query with what this adds to it.
    pub(crate) fn add(self, query: Query) -> Query {
        query.with("tenant", self.all_tenants.then_some("*"))
    }

    /// The columns; over all tenants, whose each row is comes second.
    pub(crate) fn columns(self, columns: &[Column]) -> Vec<Column> {
        let mut columns = columns.to_vec();
        if self.all_tenants {
            columns.insert(columns.len().min(1), ("TENANT", "/tenant"));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_over_all_tenants_shows_whose_a_row_is() {
        let columns = [("ID", "/id"), ("URL", "/url")];
        let own = ReachArgs::default();
        assert_eq!(own.columns(&columns), columns);
        let all = ReachArgs { all_tenants: true };
        let titles: Vec<_> = all.columns(&columns).iter().map(|it| it.0).collect();
        assert_eq!(titles, ["ID", "TENANT", "URL"]);
    }
}
