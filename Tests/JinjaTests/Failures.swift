import Jinja
import Testing

/// The error that a template ends with; an issue where there is none.
func failure(
  of source: String, _ variables: [(String, JinjaValue)] = [], name: String = "t.jinja",
  options: JinjaOptions = JinjaOptions()
) -> JinjaError? {
  do {
    let text = try JinjaTemplate(source, name: name).render(variables, options: options).text
    Issue.record("no error but \(text.prefix(100)): \(source.prefix(100))")
  } catch let error as JinjaError {
    return error
  } catch {
    Issue.record("another error: \(error)")
  }
  return nil
}
