/// Hands out units by priority, then to the tenant with the smallest share, then by age.
struct FairOrder {
    private struct Line {
        var tenant: String
        /// By age.
        var units: ArraySlice<QueueUnit>
        /// nil = to be asked for.
        var share: Double?
    }

    /// By priority, the highest last.
    private var classes: [[Line]]

    init(_ units: [QueueUnit]) {
        classes = Dictionary(grouping: units, by: \.priority).sorted { $0.key < $1.key }.map { _, group in
            Dictionary(grouping: group, by: \.tenant).sorted { $0.key < $1.key }.map { tenant, list in
                Line(
                    tenant: tenant,
                    units: list.sorted { ($0.createdMilliseconds, $0.key) < ($1.createdMilliseconds, $1.key) }[...])
            }
        }
    }

    /// Shares are asked for anew; `tenant`: only this one's.
    mutating func sharesChanged(of tenant: String? = nil) {
        guard let last = classes.indices.last else { return }
        for i in classes[last].indices where tenant == nil || classes[last][i].tenant == tenant {
            classes[last][i].share = nil
        }
    }

    /// The next one; `share` tells what a tenant has now, by its weight.
    mutating func next(share: (String) -> Double) -> QueueUnit? {
        while let last = classes.indices.last {
            var best: (share: Double, created: Int64, line: Int)?
            for i in classes[last].indices {
                guard let created = classes[last][i].units.first?.createdMilliseconds else { continue }
                let own = classes[last][i].share ?? share(classes[last][i].tenant)
                classes[last][i].share = own
                if best.map({ (own, created) < ($0.share, $0.created) }) ?? true { best = (own, created, i) }
            }
            guard let best else {
                classes.removeLast()
                continue
            }
            return classes[last][best.line].units.popFirst()
        }
        return nil
    }
}
