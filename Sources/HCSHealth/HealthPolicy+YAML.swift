internal import Yams

extension HealthPolicy {
    /// The default policy with its comments: what `hcs health policy` prints.
    package static let builtInText = String(decoding: PackageResources.health_yaml, as: UTF8.self)

    /// The policy this program was built with.
    package static func builtIn() throws(HealthError) -> HealthPolicy {
        try HealthPolicy(yaml: "", name: "the built-in")
    }

    /// Largest policy file, in bytes.
    package static let maximumBytes = 1 << 18

    /// The default policy with the mappings of `yaml` laid over it; lists and values replace theirs. Strict: an unknown key
    /// is an error.
    package init(yaml: String, name: String) throws(HealthError) {
        // A parser's complaint quotes the line, which may be as long as the file.
        func bad(_ why: String) -> HealthError { HealthError(.badPolicy, "\(name): \(why.prefix(1024))") }
        guard yaml.utf8.count <= Self.maximumBytes else { throw bad("larger than \(Self.maximumBytes) bytes") }
        let merged: Node
        do {
            guard let base = try Yams.compose(yaml: Self.builtInText) else { throw bad("the built-in policy is empty") }
            merged = try Self.overlay(Self.parse(yaml), over: base, depth: 0)
            self = try YAMLDecoder().decode(HealthPolicy.self, from: merged)
        } catch let error as HealthError { throw bad(error.message) } catch { throw bad(Self.explain(error)) }
        let known: Node?
        do { known = try Yams.compose(yaml: YAMLEncoder().encode(self)) } catch { throw bad(Self.explain(error)) }
        if let unknown = Self.unknownKey(in: merged, known: known, at: "") {
            throw bad("unknown field '\(unknown.prefix(128))'")
        }
        do throws(HealthError) { try validate() } catch { throw bad(error.message) }
    }

    /// An operator's file has no use for anchors, and one that names itself again and again would fill the memory.
    private static func parse(_ yaml: String) throws -> Node? {
        let node = try Yams.compose(yaml: yaml)
        if let node, node.mapping == nil, node.null == nil { throw HealthError(.badPolicy, "no mapping at the top") }
        var budget = 20_000
        if let node { try count(node, &budget, depth: 0) }
        return node?.mapping == nil ? nil : node
    }

    private static func count(_ node: Node, _ budget: inout Int, depth: Int) throws {
        budget -= 1
        guard budget > 0, depth < 16 else { throw HealthError(.badPolicy, "too many values, or too deep") }
        for (key, value) in node.mapping ?? [:] {
            try count(key, &budget, depth: depth + 1)
            try count(value, &budget, depth: depth + 1)
        }
        for value in node.sequence ?? [] { try count(value, &budget, depth: depth + 1) }
    }

    private static func overlay(_ over: Node?, over base: Node, depth: Int) -> Node {
        guard let over else { return base }
        guard case .mapping(var result) = base, case .mapping(let changes) = over, depth < 16 else { return over }
        for (key, value) in changes {
            result[key] = result[key].map { overlay(value, over: $0, depth: depth + 1) } ?? value
        }
        return .mapping(result)
    }

    /// The path of the first key that no field took.
    private static func unknownKey(in node: Node, known: Node?, at path: String) -> String? {
        if let mapping = node.mapping {
            for (key, value) in mapping {
                let name = key.string ?? "?"
                let place = path.isEmpty ? name : "\(path).\(name)"
                guard let other = known?.mapping?[name] else { return place }
                if let found = unknownKey(in: value, known: other, at: place) { return found }
            }
        }
        for (i, value) in (node.sequence.map(Array.init) ?? []).enumerated() {
            let others = known?.sequence.map(Array.init) ?? []
            guard others.indices.contains(i) else { return "\(path)[\(i)]" }
            if let found = unknownKey(in: value, known: others[i], at: "\(path)[\(i)]") { return found }
        }
        return nil
    }

    private static func explain(_ error: any Error) -> String {
        func place(_ path: [any CodingKey]) -> String {
            path.isEmpty
                ? "at the top"
                : "at " + path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        }
        switch error as? DecodingError {
        case .dataCorrupted(let context): return "\(place(context.codingPath)): \(context.debugDescription)"
        case .keyNotFound(let key, let context):
            return "\(place(context.codingPath)): field '\(key.stringValue)' is missing"
        case .typeMismatch(_, let context): return "\(place(context.codingPath)): \(context.debugDescription)"
        case .valueNotFound(_, let context): return "\(place(context.codingPath)): \(context.debugDescription)"
        default: return "\(error)"
        }
    }
}
