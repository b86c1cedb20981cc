/// Hands out units by priority, then to the tenant with the smallest share, then by age. Each costs the logarithm of the
/// tenants that wait in its priority.
struct FairOrder {
    private struct Line {
        var tenant: String
        /// By age.
        var units: ArraySlice<QueueUnit>
        var share = 0.0
    }

    /// The tenants that have units of one priority.
    private struct Class {
        var lines: [Line]
        private let lineOf: [String: Int]
        /// Lines whose share is to be asked for.
        private var stale: [Int]
        /// A tournament: the lines are its leaves, each node above is the better of its two, node 1 the best of all.
        private var winners: [Int]

        init(_ units: [QueueUnit]) {
            let lines = Dictionary(grouping: units, by: \.tenant).sorted { $0.key < $1.key }.map { tenant, list in
                Line(
                    tenant: tenant,
                    units: list.sorted { ($0.createdMilliseconds, $0.key) < ($1.createdMilliseconds, $1.key) }[...])
            }
            self.lines = lines
            lineOf = Dictionary(uniqueKeysWithValues: lines.indices.map { (lines[$0].tenant, $0) })
            stale = Array(lines.indices)
            winners = Array(repeating: 0, count: lines.count) + lines.indices
        }

        mutating func shareChanged(of tenant: String) { if let line = lineOf[tenant] { stale.append(line) } }

        /// nil = all lines are empty.
        mutating func next(share: (String) -> Double) -> QueueUnit? {
            for line in stale { lines[line].share = share(lines[line].tenant) }
            // Node by node is less than one way up for each where it is all of them.
            if stale.count >= lines.count {
                for node in stride(from: lines.count - 1, to: 0, by: -1) { decide(node) }
            } else {
                for line in stale { moved(line) }
            }
            stale = []
            let best = winners[1]
            guard let unit = lines[best].units.popFirst() else { return nil }
            moved(best)
            return unit
        }

        private mutating func moved(_ line: Int) {
            var node = (lines.count + line) / 2
            while node > 0 {
                decide(node)
                node /= 2
            }
        }

        private mutating func decide(_ node: Int) {
            let a = winners[2 * node], b = winners[2 * node + 1]
            winners[node] = isBefore(b, a) ? b : a
        }

        /// An empty line is behind all others.
        private func isBefore(_ a: Int, _ b: Int) -> Bool {
            guard let first = lines[a].units.first else { return false }
            guard let second = lines[b].units.first else { return true }
            return (lines[a].share, first.createdMilliseconds, a) < (lines[b].share, second.createdMilliseconds, b)
        }
    }

    /// By priority, the highest last.
    private var classes: [Class]

    init(_ units: [QueueUnit]) {
        classes = Dictionary(grouping: units, by: \.priority).sorted { $0.key < $1.key }.map { Class($0.value) }
    }

    /// Their shares are asked for anew.
    mutating func sharesChanged(of tenants: some Sequence<String>) {
        guard let last = classes.indices.last else { return }
        for tenant in tenants { classes[last].shareChanged(of: tenant) }
    }

    /// The next one; `share` tells what a tenant has now, by its weight.
    mutating func next(share: (String) -> Double) -> QueueUnit? {
        while let last = classes.indices.last {
            if let unit = classes[last].next(share: share) { return unit }
            classes.removeLast()
        }
        return nil
    }
}
