package import Foundation

/// The one way JSON is written and read on the wire.
package enum HCSJSON {
    /// - Parameter ordered: with the keys in order, as people like it; it costs a sixth more.
    package static func encode(_ value: some Encodable, pretty: Bool = false, ordered: Bool = true) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        if ordered { encoder.outputFormatting.insert(.sortedKeys) }
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return try encoder.encode(value)
    }

    package static func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
        try JSONDecoder().decode(type, from: data)
    }

    /// What a decoding error means, for the person who wrote the JSON: where and what.
    package static func explain(_ error: any Error) -> String {
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
        default: return String(describing: error)
        }
    }
}
