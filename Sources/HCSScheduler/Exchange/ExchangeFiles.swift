package import HCSModel
package import HCSPlacement
import HCSSystem
import HCSYAML

/// The operator's exchange rates: every `*.yaml` of a directory, in the order of their names.
package enum ExchangeFiles {
    package static let maximumFiles = 64
    package static let maximumRows = 1024

    private struct File: Decodable {
        var rates: [Row]

        enum CodingKeys: String, CodingKey, CaseIterable { case rates }

        init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            rates = try decoder.container(keyedBy: CodingKeys.self).decode([Row].self, forKey: .rates)
        }
    }

    private struct Row: Decodable {
        var card: String
        var of: String
        var rate: Double
        var workloadClass: WorkloadClass
        var precision: Precision?
        var source: String

        enum CodingKeys: String, CodingKey, CaseIterable {
            case card, of, rate
            case workloadClass = "class"
            case precision, source
        }

        init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            func text(_ key: CodingKeys, _ limit: Int) throws -> String {
                let text = try c.decode(String.self, forKey: key)
                guard PrintableText.clean(text, limit: limit) == text else {
                    throw DecodingError.dataCorruptedError(
                        forKey: key, in: c, debugDescription: "must be 1 to \(limit) printable ASCII characters")
                }
                return text
            }
            card = try text(.card, 128)
            of = try text(.of, 128)
            rate = try c.decode(Double.self, forKey: .rate)
            guard ExchangeOverride.rateRange.contains(rate) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .rate, in: c, debugDescription: "must be a number from 0.001 to 1000")
            }
            workloadClass = try c.decode(WorkloadClass.self, forKey: .workloadClass)
            precision = try c.decodeIfPresent(Precision.self, forKey: .precision)
            source = try text(.source, 512)
        }
    }

    /// - Throws: `badRequest` with file, line and field; nothing of the directory counts then. A directory that is not there
    ///   has no rates.
    package static func read(_ directory: String) throws(ModelError) -> [ExchangeOverride] {
        let names: [String]
        do { names = try SmallFile.names(in: directory) } catch {
            if error.code == .notFound { return [] }
            throw ModelError(.badRequest, error.message)
        }
        let files = names.filter { ($0.hasSuffix(".yaml") || $0.hasSuffix(".yml")) && !$0.hasPrefix(".") }
        guard files.count <= maximumFiles else {
            throw ModelError(.badRequest, "\(directory) has more than \(maximumFiles) files")
        }
        var rows: [ExchangeOverride] = []
        for name in files {
            rows += try parse("\(directory)/\(name)")
            guard rows.count <= maximumRows else {
                throw ModelError(.badRequest, "\(directory) has more than \(maximumRows) rates")
            }
        }
        return rows
    }

    private static func parse(_ path: String) throws(ModelError) -> [ExchangeOverride] {
        let bytes: [UInt8]
        do { bytes = try SmallFile.read(path) } catch { throw ModelError(.badRequest, error.message) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ModelError(.badRequest, "\(path) is not UTF-8")
        }
        let document = try YAMLDocument(text, name: path)
        let file = try document.decode(File.self)
        return zip(file.rates, document.lines(ofItemsIn: "rates")).map { row, line in
            ExchangeOverride(
                card: row.card, of: row.of, rate: row.rate, workloadClass: row.workloadClass,
                precision: row.precision, source: row.source, place: "\(path) line \(line)")
        }
    }
}
