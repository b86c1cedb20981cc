/// Hands out units by priority, then to the tenant with the smallest share, then by age.
struct FairOrder {
    /// By priority, the highest last; the units of each tenant by age.
    private var classes: [[String: ArraySlice<QueueUnit>]]

    init(_ units: [QueueUnit]) {
        classes = Dictionary(grouping: units, by: \.priority).sorted { $0.key < $1.key }.map { _, group in
            Dictionary(grouping: group, by: \.tenant).mapValues { list in
                list.sorted { ($0.createdMilliseconds, $0.key) < ($1.createdMilliseconds, $1.key) }[...]
            }
        }
    }

    /// The next one; `share` tells what a tenant has now, by its weight.
    mutating func next(share: (String) -> Double) -> QueueUnit? {
        while let last = classes.indices.last {
            let heads = classes[last].compactMap { tenant, units in
                units.first.map { (share: share(tenant), created: $0.createdMilliseconds, tenant: tenant) }
            }
            guard let least = heads.min(by: { ($0.share, $0.created, $0.tenant) < ($1.share, $1.created, $1.tenant) })
            else {
                classes.removeLast()
                continue
            }
            return classes[last][least.tenant]?.popFirst()
        }
        return nil
    }
}
