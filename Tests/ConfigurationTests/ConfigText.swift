import Configuration
import Diagnostics

/// A config with a key per line, to which tests add their own.
func config(task: String = "", adapter: String = "", training: String = "", top: String = "") -> String {
  """
  {
    "model": "m",
    "task": { "name": "sst2", "data_dir": "d", \(task) },
    "adapter": { \(adapter) },
    "training": { \(training) },
    \(top)
  }
  """
}

/// The message that `text` is refused with, or nil.
func refusal(_ text: String, overrides: [String] = []) -> String? {
  error(text, overrides: overrides)?.description
}

/// The error that `text` is refused with, or nil.
func error(_ text: String, overrides: [String] = []) -> (any UserFacingError)? {
  do {
    _ = try RunConfig.load(text: text, file: "run.json", overrides: overrides)
    return nil
  } catch let error as any UserFacingError {
    return error
  } catch {
    return nil
  }
}
