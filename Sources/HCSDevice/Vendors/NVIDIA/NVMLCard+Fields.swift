import CVendorABI

/// One value of `nvmlDeviceGetFieldValues`.
struct NVMLField {
    var id: Int32
    /// The number of a link, for those that are a link's.
    var link: UInt32?

    fileprivate var isOfLink: Bool { link != nil }
}

struct NVMLFieldReading {
    var value: Double
    /// The same where it is a count.
    var count: UInt64?
    /// Microseconds.
    var timestamp: Int64
}

extension NVMLCard {
    /// All in one call. A field that the driver does not know is left out of later calls.
    /// - Returns: one for each field asked for; nil = not supported now.
    func read(_ fields: [NVMLField]) -> [NVMLFieldReading?] {
        let asked = fields.indices.filter { !refuses(.field(fields[$0].id)) }
        var values = asked.map { position in
            var value = nvmlFieldValue_t()
            value.fieldId = UInt32(fields[position].id)
            value.scopeId = fields[position].link ?? 0
            value.nvmlReturn = NVML_ERROR_UNKNOWN.rawValue
            return value
        }
        var readings = [NVMLFieldReading?](repeating: nil, count: fields.count)
        let count = Int32(values.count)
        guard
            !asked.isEmpty,
            ask(
                .fields,
                {
                    values.withUnsafeMutableBufferPointer {
                        library.table.device_get_field_values?(handle, count, $0.baseAddress)
                    }
                })
        else { return readings }
        for (value, position) in zip(values, asked) {
            if value.nvmlReturn == NVML_SUCCESS.rawValue {
                readings[position] = NVMLFieldReading(value)
            } else if !fields[position].isOfLink, Self.neverComes(value.nvmlReturn) {
                refuse(.field(fields[position].id))
            }
        }
        return readings
    }

    /// An unknown field is an invalid argument.
    private static func neverComes(_ result: UInt32) -> Bool {
        result == NVML_ERROR_NOT_SUPPORTED.rawValue || result == NVML_ERROR_INVALID_ARGUMENT.rawValue
    }
}

extension NVMLFieldReading {
    /// Nil for a type that is not known.
    fileprivate init?(_ field: nvmlFieldValue_t) {
        timestamp = field.timestamp
        switch Int32(truncatingIfNeeded: field.valueType) {
        case NVML_VALUE_DOUBLE: (value, count) = (field.value.dVal, nil)
        case NVML_VALUE_UNSIGNED_INT: (value, count) = (Double(field.value.uiVal), UInt64(field.value.uiVal))
        case NVML_VALUE_UNSIGNED_LONG, NVML_VALUE_UNSIGNED_LONG_LONG:
            (value, count) = (Double(field.value.ullVal), field.value.ullVal)
        case NVML_VALUE_SIGNED_LONG_LONG:
            (value, count) = (Double(field.value.sllVal), UInt64(exactly: field.value.sllVal))
        case NVML_VALUE_SIGNED_INT: (value, count) = (Double(field.value.siVal), UInt64(exactly: field.value.siVal))
        case NVML_VALUE_UNSIGNED_SHORT: (value, count) = (Double(field.value.usVal), UInt64(field.value.usVal))
        default: return nil
        }
    }
}
