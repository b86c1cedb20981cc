import HCSModel

/// Filters in the order in which they explain, and scores in the order in which they count.
///
/// Two steps beside them are the cycle's own: which devices of a node may serve together (`DeviceSets`) behind the
/// filters, and between wishes and worth the spread over nodes. What packing says is added to the scores.
package struct PluginRegistry: Sendable {
    package var filters: [any FilterPlugin]
    package var scores: [any ScorePlugin]
    package let exchange: ExchangeTable

    package init(filters: [any FilterPlugin], scores: [any ScorePlugin], exchange: ExchangeTable) {
        self.filters = filters
        self.scores = scores
        self.exchange = exchange
    }

    package static func standard(exchange: ExchangeTable = ExchangeTable(cards: [])) -> PluginRegistry {
        PluginRegistry(
            filters: [
                RuntimeFilter(), NodeReadyFilter(), BlockedFilter(), CordonFilter(), HealthFilter(), PoolFilter(),
                RequireFilter(), QuotaFilter(check: nil), CPUFilter(), HostMemoryFilter(), HolderFilter(),
                DeviceMemoryFilter(), ComputeFilter(exchange: exchange),
            ],
            scores: [WishScore(), CostScore(exchange: exchange), HealthScore()], exchange: exchange)
    }

    /// Those that have something to ask.
    var quotas: [any FilterPlugin] {
        filters.filter { $0.basis == .quota && !($0 is QuotaFilter && quota == nil) }
    }

    package var quota: (any QuotaCheck)? {
        get { filters.lazy.compactMap { $0 as? QuotaFilter }.first?.check }
        set { filters = filters.map { $0 is QuotaFilter ? QuotaFilter(check: newValue) : $0 } }
    }
}
