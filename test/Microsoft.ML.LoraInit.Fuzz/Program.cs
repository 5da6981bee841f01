using System.Globalization;
using Microsoft.ML.LoraInit.Fuzz;

// Mutated files of every format that the library reads: [--inputs 3000] [--format NAME] [--seed 1] [--only NUMBER] [--tell true]
var options = new Dictionary<string, string>(StringComparer.Ordinal);
for (int i = 0; i + 1 < args.Length; i += 2)
    options[args[i]] = args[i + 1];
if (args.Length % 2 != 0 || options.Keys.Except(["--inputs", "--format", "--seed", "--only", "--tell"]).Any())
{
    Console.Error.WriteLine("usage: [--inputs 3000] [--format NAME] [--seed 1] [--only NUMBER] [--tell true]");
    return 2;
}
TorchSharp.torch.set_num_threads(1);
// Nothing is asked of a network, whatever a mutant names as its base.
Environment.SetEnvironmentVariable("HF_HUB_OFFLINE", "1");
using var material = Material.Create();
var formats = FuzzFormats.All(material).Where(f => !options.TryGetValue("--format", out var name) || f.Name == name).ToArray();
if (formats.Length == 0)
{
    Console.Error.WriteLine($"There is no such format; there are {string.Join(", ", FuzzFormats.All(material).Select(f => f.Name))}.");
    return 2;
}
int inputs = Number("--inputs", 3000), each = (inputs + formats.Length - 1) / formats.Length;
var reports = new List<FuzzReport>();
foreach (var format in formats)
{
    var report = new Fuzzer(format, material.Work, Number("--seed", 1), options.ContainsKey("--tell")).Run(each, options.ContainsKey("--only") ? Number("--only", 0) : null);
    reports.Add(report);
    report.Print(Console.Out);
}
Console.WriteLine($"{reports.Sum(r => r.Inputs)} inputs, {reports.Sum(r => r.Accepted)} accepted, {reports.Sum(r => r.Failures.Count)} failures");
return reports.All(r => r.Failures.Count == 0) ? 0 : 1;

int Number(string option, int otherwise) => options.TryGetValue(option, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
