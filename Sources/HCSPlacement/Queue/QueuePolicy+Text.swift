import HCSModel

extension QueuePolicy {
    /// The policy as a file that reads back to itself.
    package var yaml: String {
        var lines = [
            "version: 1", "preemption: \(preemption)", "reservation:",
            "  afterSeconds: \(reservation.afterSeconds)", "  atOnce: \(reservation.atOnce)",
            "  holdSeconds: \(reservation.holdSeconds)", "defragmentation:", "  run: \(defragmentation.run)",
            "  moves: \(defragmentation.moves)",
        ]
        func list(_ texts: [String]) -> String { "[" + texts.map { "\"\($0)\"" }.joined(separator: ", ") + "]" }
        lines.append(pools.isEmpty ? "pools: []" : "pools:")
        for pool in pools {
            lines.append("  - name: \"\(pool.name)\"")
            if !pool.nodes.isEmpty { lines.append("    nodes: \(list(pool.nodes))") }
            if !pool.models.isEmpty { lines.append("    models: \(list(pool.models))") }
        }
        lines.append(tenants.isEmpty ? "tenants: []" : "tenants:")
        let known = tenants.isEmpty || tenants.contains { $0.name == PlacementSpec.defaultTenant }
        for tenant in (known ? [] : [Tenant(name: PlacementSpec.defaultTenant)]) + tenants {
            lines += ["  - name: \"\(tenant.name)\"", "    weight: \(tenant.weight)"]
            if let pools = tenant.pools { lines.append("    pools: \(list(pools))") }
            lines += Self.lines(of: tenant.quota, indent: "    ")
            if !tenant.poolQuotas.isEmpty { lines.append("    inPools:") }
            for (name, quota) in tenant.poolQuotas.sorted(by: { $0.key < $1.key }) {
                let inner = Self.lines(of: quota, indent: "        ")
                lines.append("      \"\(name)\":" + (inner.isEmpty ? " {}" : ""))
                lines += inner
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// As a person writes it, where that is exact.
    private static func text(_ size: ByteCount) -> String {
        (try? ByteCount.parse("\(size)")) == size ? "\(size)" : "\(size.bytes)"
    }

    private static func lines(of quota: Quota, indent: String) -> [String] {
        [("guarantee", quota.guarantee), ("limit", quota.limit)].compactMap { name, bound in
            guard !bound.isEmpty else { return nil }
            var parts: [String] = []
            if let devices = bound.devices { parts.append("devices: \(devices)") }
            if let vram = bound.vram { parts.append("vram: \(text(vram))") }
            if let compute = bound.computeMilli { parts.append("compute: \(AmountBound.decimal(compute))") }
            if let cpu = bound.cpuMilli { parts.append("cpu: \(AmountBound.decimal(cpu))") }
            if let memory = bound.memory { parts.append("memory: \(text(memory))") }
            return "\(indent)\(name): {\(parts.joined(separator: ", "))}"
        }
    }
}
