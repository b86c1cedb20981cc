/// JSON as a value, read and written without Foundation, which the vendor worker must not load: it would triple the
/// worker's memory, and worker and agent should share one reading of the wire.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case unsigned(UInt64)
    /// Below zero; what is not is `unsigned`.
    case negative(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSONValue {
    package init(_ value: some BinaryInteger) {
        if let unsigned = UInt64(exactly: value) {
            self = .unsigned(unsigned)
        } else if let negative = Int64(exactly: value) {
            self = .negative(negative)
        } else {
            self = .number(Double(value))
        }
    }

    /// An object of the fields that have a value: absent figures are absent on the wire too.
    package init(fields: [(String, JSONValue?)]) {
        var object: [String: JSONValue] = [:]
        for (key, value) in fields { object[key] = value }
        self = .object(object)
    }

    package subscript(key: String) -> JSONValue? {
        guard case .object(let fields) = self else { return nil }
        return fields[key]
    }

    package var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    package var array: [JSONValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    /// The fields of an object, in the order of their names.
    package var fields: [(key: String, value: JSONValue)] {
        guard case .object(let fields) = self else { return [] }
        return fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    package var double: Double? {
        switch self {
        case .unsigned(let value): Double(value)
        case .negative(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The integer, if it is one and fits.
    package func integer<T: FixedWidthInteger>(_: T.Type = T.self) -> T? {
        switch self {
        case .unsigned(let value): T(exactly: value)
        case .negative(let value): T(exactly: value)
        default: nil
        }
    }
}
