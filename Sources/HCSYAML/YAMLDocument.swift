package import HCSModel
internal import Yams

/// A YAML file that somebody wrote by hand, read strictly: every error names file, line and field. Bounded, because its
/// aliases could multiply.
package struct YAMLDocument {
    package static let maximumBytes = 1 << 18
    private static let maximumValues = 20_000
    private static let maximumDepth = 16

    private let name: String
    private var root: Node

    /// - Parameter name: what errors call it.
    /// - Throws: `badRequest` for what is no YAML, is too large, or has no mapping at the top. An empty text is an empty
    ///   mapping.
    package init(_ text: String, name: String) throws(ModelError) {
        func bad(_ why: String) -> ModelError { ModelError(.badRequest, "\(name)\(why)") }
        self.name = name
        guard text.utf8.count <= Self.maximumBytes else { throw bad(": larger than \(Self.maximumBytes) bytes") }
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch {
            throw bad(Self.explain(error))
        }
        guard let node, node.null == nil || node.mapping != nil else {
            root = Node([(Node, Node)]())
            return
        }
        guard node.mapping != nil else {
            throw bad(" line \(node.mark?.line ?? 1): a mapping (key: value) is needed here")
        }
        var budget = Self.maximumValues
        guard Self.count(node, &budget, depth: 0) else {
            throw bad(": more than \(Self.maximumValues) values, or \(Self.maximumDepth) levels")
        }
        root = node
    }

    package func has(_ key: String) -> Bool { root.mapping?[key] != nil }

    /// Puts a value over what the file says at the top.
    package mutating func set(_ key: String, to text: String) {
        root.mapping?[Node(key)] = Node(text, Tag(.str))
    }

    package mutating func set(_ key: String, to texts: [String]) {
        root.mapping?[Node(key)] = Node(texts.map { Node($0, Tag(.str)) })
    }

    /// - Throws: `badRequest`.
    package func decode<Value: Decodable>(_ type: Value.Type) throws(ModelError) -> Value {
        do { return try YAMLDecoder().decode(type, from: root) } catch {
            guard let error = error as? DecodingError else {
                throw ModelError(.badRequest, "\(name)\(Self.explain(error))")
            }
            let (path, why, key) = Self.reason(of: error)
            let field = path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
            let place = field.isEmpty ? "" : "\(field.replacing(".[", with: "[")): "
            let line = line(of: path + (key.map { [$0] } ?? [])).map { " line \($0)" } ?? ""
            throw ModelError(.badRequest, "\(name)\(line): \(place)\(why)")
        }
    }

    /// Where each item of a list at the top begins.
    package func lines(ofItemsIn key: String) -> [Int] {
        root.mapping?[key]?.sequence?.map { $0.mark?.line ?? 0 } ?? []
    }

    /// Of the last thing on the path that is there.
    private func line(of path: [any CodingKey]) -> Int? {
        var node = root
        var line = node.mark?.line
        for key in path {
            if let index = key.intValue, let items = node.sequence, items.indices.contains(index) {
                node = items[index]
                line = node.mark?.line ?? line
            } else if let entry = node.mapping?.first(where: { $0.key.string == key.stringValue }) {
                // The key's own line: a value may begin on the next.
                line = entry.key.mark?.line ?? entry.value.mark?.line ?? line
                node = entry.value
            } else {
                break
            }
        }
        return line
    }

    /// `key`: the field that should not be there.
    private static func reason(
        of error: DecodingError
    ) -> (path: [any CodingKey], why: String, key: (any CodingKey)?) {
        switch error {
        case .dataCorrupted(let context):
            (context.codingPath, context.debugDescription, (context.underlyingError as? UnknownField)?.key)
        case .keyNotFound(let key, let context): (context.codingPath, "field '\(key.stringValue)' is missing", nil)
        case .typeMismatch(_, let context): (context.codingPath, context.debugDescription, nil)
        case .valueNotFound(_, let context): (context.codingPath, context.debugDescription, nil)
        @unknown default: ([], "\(error)", nil)
        }
    }

    private static func explain(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return " line \(mark.line): \(problem)"
        case .reader(let problem, _, _, _), .writer(let problem), .emitter(let problem), .representer(let problem):
            return ": \(problem)"
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0.prefix(64))'" }.sorted().joined(separator: ", ")
            return " line \(context.mark.line): \(names) is there twice"
        default: return ": \(error)"
        }
    }

    private static func count(_ node: Node, _ budget: inout Int, depth: Int) -> Bool {
        budget -= 1
        guard budget > 0, depth < maximumDepth else { return false }
        for (key, value) in node.mapping ?? [:]
        where !count(key, &budget, depth: depth + 1) || !count(value, &budget, depth: depth + 1) { return false }
        for value in node.sequence ?? [] where !count(value, &budget, depth: depth + 1) { return false }
        return true
    }
}
