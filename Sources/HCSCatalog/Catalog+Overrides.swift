import HCSModel
import HCSSystem

/// A file of the operator's that was read as part of the catalogue, or not.
package struct CatalogFile: Hashable, Sendable {
    package var path: String
    package var cards: Int
    /// Why nothing of it counts: file, line and reason.
    package var problem: String?
}

extension Catalog {
    /// Files of the operator's directory; more are not read.
    package static let maximumFiles = 64

    /// This catalogue with every `*.csv` of the directory over it, in the order of their names. A file that is not
    /// understood costs itself and nothing else. Blocks.
    package func overridden(by directory: String) -> (catalog: Catalog, files: [CatalogFile]) {
        let names: [String]
        do {
            names = try SmallFile.names(in: directory).filter { $0.hasSuffix(".csv") && !$0.hasPrefix(".") }
        } catch {
            let problem = CatalogFile(path: directory, cards: 0, problem: error.message)
            return (self, error.code == .notFound ? [] : [problem])
        }
        var catalog = self
        var files: [CatalogFile] = []
        for (position, name) in names.enumerated() {
            let path = "\(directory)/\(name)"
            guard position < Self.maximumFiles else {
                files.append(
                    CatalogFile(path: path, cards: 0, problem: "\(path): more than \(Self.maximumFiles) files"))
                break
            }
            do {
                let table = try Self.table(at: path, name: name)
                catalog.overrides.append(table)
                files.append(CatalogFile(path: path, cards: table.rows.count))
            } catch {
                files.append(CatalogFile(path: path, cards: 0, problem: error.message))
            }
        }
        return (catalog, files)
    }

    private static func table(at path: String, name: String) throws(ModelError) -> Catalog {
        let bytes: [UInt8]
        do { bytes = try SmallFile.read(path) } catch { throw ModelError(.badCatalog, error.message) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ModelError(.badCatalog, "\(path) is not UTF-8")
        }
        return try Catalog(csv: text, name: path).naming(file: name)
    }
}
