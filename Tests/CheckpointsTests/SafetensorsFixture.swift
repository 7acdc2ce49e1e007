import Foundation

/// Written by safetensors 0.8.0 (`safetensors.torch.save`, torch on Python 3.11): the tensors of
/// `SafetensorsFileTests.readsWhatPythonWrote`, metadata {"format": "pt"}.
let pythonFixture: [UInt8] = {
  let lines = [
    "WAIAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJlbWJlZGRpbmdzLnBvc2l0aW9uX2lkcyI6eyJkdHlwZSI6Ikk2NCIsIn",
    "NoYXBlIjpbMSwzXSwiZGF0YV9vZmZzZXRzIjpbMCwyNF19LCJHcsO2w59lXG5cInFcIiI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMV0sImRh",
    "dGFfb2Zmc2V0cyI6WzI0LDI4XX0sImEuYmlhcyI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzI4LDM2XX0sIm",
    "Iud2VpZ2h0Ijp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsyLDNdLCJkYXRhX29mZnNldHMiOlszNiw2MF19LCJlbXB0eSI6eyJkdHlwZSI6IkYz",
    "MiIsInNoYXBlIjpbMCw0XSwiZGF0YV9vZmZzZXRzIjpbNjAsNjBdfSwic2NhbGFyIjp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOltdLCJkYXRhX2",
    "9mZnNldHMiOls2MCw2NF19LCJicmFpbiI6eyJkdHlwZSI6IkJGMTYiLCJzaGFwZSI6WzNdLCJkYXRhX29mZnNldHMiOls2NCw3MF19LCJoYWxm",
    "Ijp7ImR0eXBlIjoiRjE2Iiwic2hhcGUiOls0XSwiZGF0YV9vZmZzZXRzIjpbNzAsNzhdfSwibWFzayI6eyJkdHlwZSI6IkJPT0wiLCJzaGFwZS",
    "I6WzNdLCJkYXRhX29mZnNldHMiOls3OCw4MV19fSAAAAAAAAAAAAEAAAAAAAAAAgAAAAAAAAAAAABAAAAAPwAAgD4AAMA/AAAAwAAAQEDNzMw9",
    "AACAfwAAAIAAAOBAgD9JQJb+ADwBAP97VbUBAAE=",
  ]
  return [UInt8](Data(base64Encoded: lines.joined()) ?? Data())
}()
