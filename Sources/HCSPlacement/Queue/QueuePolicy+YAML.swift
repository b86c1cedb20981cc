package import HCSModel
internal import Yams

extension QueuePolicy {
    /// Largest policy file, in bytes.
    package static let fileLimit = 1 << 18

    /// Reads `scheduler.yaml`: what it leaves out keeps its default. Strict: an unknown or repeated field is an error, and
    /// each error names its line.
    package init(yaml: String, name: String) throws(ModelError) {
        guard yaml.utf8.count <= Self.fileLimit else {
            throw ModelError(.badRequest, "\(name): larger than \(Self.fileLimit) bytes")
        }
        let root: Node?
        do { root = try Yams.compose(yaml: yaml) } catch {
            throw ModelError(.badRequest, "\(name): \(String(describing: error).prefix(300))")
        }
        self.init()
        guard let root, root.null == nil else { return }
        do throws(ModelError) { try read(Field(root, "the file")) } catch {
            throw ModelError(.badRequest, "\(name), \(error.message)")
        }
    }

    private mutating func read(_ root: Field) throws(ModelError) {
        let top = try root.fields(["version", "preemption", "reservation", "defragmentation", "pools", "tenants"])
        if let version = try top["version"]?.integer(1...1) { precondition(version == 1, "the range has one version") }
        if let value = top["preemption"] { preemption = try value.boolean() }
        if let value = top["reservation"] {
            let part = try value.fields(["afterSeconds", "atOnce", "holdSeconds"])
            if let seconds = part["afterSeconds"] { reservation.afterSeconds = Int64(try seconds.integer(0...604_800)) }
            if let number = part["atOnce"] { reservation.atOnce = try number.integer(0...16) }
            if let seconds = part["holdSeconds"] {
                reservation.holdSeconds = Int64(try seconds.integer(60...2_592_000))
            }
        }
        if let value = top["defragmentation"] {
            let part = try value.fields(["run", "moves"])
            if let run = part["run"] { defragmentation.run = try run.boolean() }
            if let moves = part["moves"] { defragmentation.moves = try moves.integer(1...3) }
        }
        for item in try top["pools"]?.items(atMost: Self.poolLimit) ?? [] {
            let part = try item.fields(["name", "nodes", "models"])
            let pool = Pool(
                name: try item.required("name", of: part).name(),
                nodes: try part["nodes"]?.patterns() ?? [], models: try part["models"]?.patterns() ?? [])
            guard !pools.contains(where: { $0.name == pool.name }) else {
                throw item.bad("a second pool '\(pool.name)'")
            }
            pools.append(pool)
        }
        for item in try top["tenants"]?.items(atMost: Self.tenantLimit) ?? [] { tenants.append(try tenant(item)) }
    }

    private func tenant(_ item: Field) throws(ModelError) -> Tenant {
        let part = try item.fields(["name", "weight", "pools", "guarantee", "limit", "inPools"])
        var tenant = Tenant(name: try item.required("name", of: part).name())
        guard !tenants.contains(where: { $0.name == tenant.name }) else {
            throw item.bad("a second tenant '\(tenant.name)'")
        }
        if let weight = part["weight"] { tenant.weight = try weight.number(0.001...1_000_000) }
        if let list = part["pools"] {
            var names: [String] = []
            for entry in try list.items(atMost: Self.poolLimit) { names.append(try known(entry)) }
            tenant.pools = names
        }
        tenant.quota = try Self.quota(part, item)
        for (name, value) in try part["inPools"]?.entries(atMost: Self.poolLimit) ?? [] {
            _ = try known(name)
            tenant.poolQuotas[name.text ?? ""] = try Self.quota(value.fields(["guarantee", "limit"]), value)
        }
        return tenant
    }

    /// A pool's name that was defined above.
    private func known(_ field: Field) throws(ModelError) -> String {
        let name = try field.name()
        guard pools.contains(where: { $0.name == name }) else {
            throw field.bad("no pool '\(name)': define it under 'pools'")
        }
        return name
    }

    private static func quota(_ part: [String: Field], _ owner: Field) throws(ModelError) -> Quota {
        let quota = Quota(
            guarantee: try part["guarantee"]?.bound() ?? AmountBound(),
            limit: try part["limit"]?.bound() ?? AmountBound())
        func within<Value: Comparable>(_ guarantee: Value?, _ limit: Value?) -> Bool {
            guard let guarantee, let limit else { return true }
            return guarantee <= limit
        }
        guard within(quota.guarantee.devices, quota.limit.devices), within(quota.guarantee.vram, quota.limit.vram),
            within(quota.guarantee.computeMilli, quota.limit.computeMilli),
            within(quota.guarantee.cpuMilli, quota.limit.cpuMilli),
            within(quota.guarantee.memory, quota.limit.memory)
        else { throw owner.bad("more is guaranteed than its limit allows") }
        return quota
    }

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
        let all = tenant(PlacementSpec.defaultTenant).map { tenant in
            tenants.contains { $0.name == tenant.name } ? tenants : [tenant] + tenants
        }
        lines.append("tenants:")
        for tenant in all ?? tenants {
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

    private static func lines(of quota: Quota, indent: String) -> [String] {
        [("guarantee", quota.guarantee), ("limit", quota.limit)].compactMap { name, bound in
            guard !bound.isEmpty else { return nil }
            var parts: [String] = []
            if let devices = bound.devices { parts.append("devices: \(devices)") }
            if let vram = bound.vram { parts.append("vram: \"\(vram.bytes)\"") }
            if let compute = bound.computeMilli { parts.append("compute: \(AmountBound.decimal(compute))") }
            if let cpu = bound.cpuMilli { parts.append("cpu: \(AmountBound.decimal(cpu))") }
            if let memory = bound.memory { parts.append("memory: \"\(memory.bytes)\"") }
            return "\(indent)\(name): {\(parts.joined(separator: ", "))}"
        }
    }
}

/// A value of the file with its place.
private struct Field {
    let node: Node
    let path: String

    init(_ node: Node, _ path: String) {
        self.node = node
        self.path = path
    }

    var text: String? { node.scalar?.string }

    func bad(_ why: String) -> ModelError {
        let line = node.mark.map { "line \($0.line): " } ?? ""
        return ModelError(.badRequest, "\(line)\(path): \(why)")
    }

    /// The values of a mapping that has only the keys in `known`, each once.
    func fields(_ known: [String]) throws(ModelError) -> [String: Field] {
        var result: [String: Field] = [:]
        for (key, value) in try entries(atMost: known.count) {
            let name = key.text ?? "?"
            guard known.contains(name) else {
                throw key.bad("unknown field '\(name.prefix(64))'; known: \(known.joined(separator: ", "))")
            }
            result[name] = value
        }
        return result
    }

    func entries(atMost limit: Int) throws(ModelError) -> [(Field, Field)] {
        guard let mapping = node.mapping else { throw bad("a mapping is wanted here") }
        var seen: Set<String> = []
        var result: [(Field, Field)] = []
        for (key, value) in mapping {
            guard let name = key.scalar?.string else { throw Field(key, path).bad("a name is wanted before the colon") }
            guard seen.insert(name).inserted else { throw Field(key, path).bad("a second '\(name.prefix(64))'") }
            result.append((Field(key, path), Field(value, path == "the file" ? name : "\(path).\(name)")))
        }
        // After the names: a misspelt one is told before the number.
        guard result.count <= max(limit, 16) else { throw bad("more than \(limit) entries") }
        return result
    }

    func items(atMost limit: Int) throws(ModelError) -> [Field] {
        guard let sequence = node.sequence else { throw bad("a list is wanted here") }
        guard sequence.count <= limit else { throw bad("more than \(limit) entries") }
        return sequence.enumerated().map { Field($1, "\(path)[\($0)]") }
    }

    func required(_ name: String, of fields: [String: Field]) throws(ModelError) -> Field {
        guard let field = fields[name] else { throw bad("field '\(name)' is missing") }
        return field
    }

    func boolean() throws(ModelError) -> Bool {
        guard let value = node.bool else { throw bad("true or false is wanted") }
        return value
    }

    func integer(_ range: ClosedRange<Int>) throws(ModelError) -> Int {
        guard let value = node.int, range.contains(value) else {
            throw bad("a whole number from \(range.lowerBound) to \(range.upperBound) is wanted")
        }
        return value
    }

    func number(_ range: ClosedRange<Double>) throws(ModelError) -> Double {
        guard let value = node.float, value.isFinite, range.contains(value) else {
            throw bad("a number from \(range.lowerBound) to \(range.upperBound) is wanted")
        }
        return value
    }

    func name() throws(ModelError) -> String {
        guard let text, PlacementSpec.isName(text) else {
            throw bad("a name is 1 to 63 of a-z 0-9 - . and starts with a letter or digit")
        }
        return text
    }

    func patterns() throws(ModelError) -> [String] {
        var result: [String] = []
        for item in try items(atMost: 256) {
            guard let text = item.text, (1...128).contains(text.utf8.count),
                text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value < 0x7F && $0 != "\"" && $0 != "\\" })
            else { throw item.bad("a pattern is 1 to 128 printable characters, * stands for any text") }
            result.append(text)
        }
        guard !result.isEmpty else { throw bad("an empty list matches nothing: leave it out to match everything") }
        return result
    }

    func size() throws(ModelError) -> ByteCount {
        guard let text else { throw bad("a size is wanted, as 640Gi") }
        do throws(ModelError) { return try ByteCount.parse(text) } catch { throw bad(error.message) }
    }

    /// Thousandths of a decimal number.
    func milli() throws(ModelError) -> Int { Int((try number(0...1_000_000_000) * 1000).rounded()) }

    func bound() throws(ModelError) -> AmountBound {
        let part = try fields(["devices", "vram", "compute", "cpu", "memory"])
        return AmountBound(
            devices: try part["devices"]?.integer(0...10_000_000), vram: try part["vram"]?.size(),
            computeMilli: try part["compute"]?.milli(), cpuMilli: try part["cpu"]?.milli(),
            memory: try part["memory"]?.size())
    }
}
