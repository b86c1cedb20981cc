internal import HCSYAML
internal import HCSModel

extension HealthPolicy {
    /// The default policy with its comments: what `hcs health policy` prints.
    package static let builtInText = String(decoding: PackageResources.health_yaml, as: UTF8.self)

    /// The policy this program was built with.
    package static func builtIn() throws(HealthError) -> HealthPolicy {
        try HealthPolicy(yaml: "", name: "the built-in")
    }

    /// Largest policy file, in bytes.
    package static let maximumBytes = YAMLDocument.maximumBytes

    /// The default policy with the mappings of `yaml` laid over it; lists and values replace theirs. Strict: an unknown key
    /// is an error.
    package init(yaml: String, name: String) throws(HealthError) {
        do throws(ModelError) {
            var document = try YAMLDocument(yaml, name: name)
            document.lay(over: try YAMLDocument(Self.builtInText, name: "the built-in policy"))
            self = try document.decodeWhole(HealthPolicy.self)
            do throws(HealthError) { try validate() } catch { throw document.complaint(": \(error.message)") }
        } catch {
            throw HealthError(.badPolicy, error.message)
        }
    }
}
