package import HCSAPI
import HCSModel
import HCSPlacement

extension ClusterState {
    package func queueView(now: Int64) -> QueueView {
        let input = queueInput(now: now)
        let standing = QueueStanding(input, policy: policy, book: book)
        var positions: [WorkloadID: Int] = [:]
        for (index, unit) in standing.order.enumerated() {
            for member in unit.members { positions[member.id] = index + 1 }
        }
        let entries = input.queued.compactMap { work in
            workloads[work.id].map { entry($0, isDue: work.isDue, position: positions[work.id]) }
        }
        func counts(_ requests: [PlacementRequest]) -> [String: Int] {
            Dictionary(grouping: requests, by: \.placement.tenant).mapValues(\.count)
        }
        let queued = counts(input.queued.map(\.request))
        let placed = counts(input.placed.map(\.request))
        return QueueView(
            items: entries.sorted {
                ($0.position ?? .max, $0.queuedMilliseconds, $0.name) < (
                    $1.position ?? .max, $1.queuedMilliseconds, $1.name
                )
            },
            tenants: standing.tenants.map { tenant in
                QueueView.Tenant(
                    name: tenant.name, weight: policy.weight(of: tenant.name), dominantShare: tenant.share,
                    use: .init(
                        devices: tenant.use.devices, vram: tenant.use.vram, computeMilli: tenant.use.computeMilli,
                        cpuMilli: tenant.use.cpuMilli, memory: tenant.use.memory),
                    borrows: tenant.borrows, queued: queued[tenant.name] ?? 0,
                    placed: placed[tenant.name] ?? 0)
            }, atMilliseconds: now, revision: revision)
    }

    private func entry(_ record: WorkloadRecord, isDue: Bool, position: Int?) -> QueueView.Entry {
        let spec = record.spec.placement
        return QueueView.Entry(
            position: position, workload: record.id, name: record.spec.name, tenant: spec.tenant,
            priority: spec.priority, gang: spec.gang, pool: spec.pool,
            queuedMilliseconds: record.queuedMilliseconds ?? record.createdMilliseconds,
            code: (isDue ? waits[record.id] ?? .room : .backoff).rawValue, reason: record.message)
    }
}
