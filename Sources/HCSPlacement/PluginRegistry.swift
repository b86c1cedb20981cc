/// Filters in the order in which they explain, and scores with their weights.
package struct PluginRegistry: Sendable {
    package var filters: [any FilterPlugin]
    package var scores: [any ScorePlugin]

    package init(filters: [any FilterPlugin], scores: [any ScorePlugin]) {
        self.filters = filters
        self.scores = scores
    }

    package static let standard = PluginRegistry(
        filters: [RuntimeFilter(), NodeReadyFilter(), BlockedFilter(), CordonFilter(), HealthFilter(), MemoryFilter()],
        scores: [BestFitScore(), HealthScore()])
}
