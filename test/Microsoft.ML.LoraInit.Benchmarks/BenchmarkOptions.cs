using System.CommandLine;
using System.Text.Json;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Benchmarks;

/// <summary>What every benchmark is told: the matrices, the rank, the device, and where results go.</summary>
internal sealed class BenchmarkOptions
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Option<string> _base = new("--base") { Description = "The matrices: query and value of the mini model, of a checkpoint in a folder, or of roberta-base's shape with random weights.", HelpName = "mini|DIR|roberta-base", DefaultValueFactory = _ => Matrices.RobertaBase };
    private readonly Option<int> _rank = new("--rank") { Description = "r.", DefaultValueFactory = _ => 8 };
    private readonly Option<double?> _alpha = new("--alpha") { Description = "Default: r, so that the scaling is 1." };
    private readonly Option<int> _seed = new("--seed") { DefaultValueFactory = _ => 0 };
    private readonly Option<string> _device = new("--device") { HelpName = "cpu|cuda[:N]", DefaultValueFactory = _ => "cpu" };
    private readonly Option<int?> _threads = new("--threads") { Description = "CPU threads. Default: the machine's cores." };
    private readonly Option<string?> _json = new("--json") { Description = "Write the results to this file.", HelpName = "FILE" };

    public BenchmarkOptions(CliCommand command)
    {
        foreach (var option in (Option[])[_base, _rank, _alpha, _seed, _device, _threads, _json])
            command.Options.Add(option);
    }

    /// <summary>The matrices, on the device.</summary>
    public Matrices Load(ParseResult result)
    {
        torch.set_num_threads(result.GetValue(_threads) ?? Environment.ProcessorCount);
        var rank = result.GetValue(_rank);
        var device = torch.device(result.GetValue(_device)!);
        if (device.type == DeviceType.CUDA && !torch.cuda.is_available())
            throw new InvalidOperationException("CUDA is not available to TorchSharp.");
        return Matrices.Load(result.GetValue(_base)!, rank, result.GetValue(_alpha) ?? rank, result.GetValue(_seed), device);
    }

    /// <summary>Where and on what it was measured.</summary>
    public static RunConditions Conditions(Matrices matrices) => new(
        matrices.Name, matrices.Targets.Count, $"{matrices.Targets[0].OutFeatures}x{matrices.Targets[0].InFeatures}",
        matrices.Targets[0].Rank, matrices.Targets[0].Alpha, matrices.Seed, matrices.Device.ToString(), torch.get_num_threads());

    /// <summary>Writes the file asked for, or the results to the console.</summary>
    public void Write<T>(ParseResult result, T results)
    {
        var text = JsonSerializer.Serialize(results, Format) + "\n";
        if (result.GetValue(_json) is { } path)
            File.WriteAllText(path, text);
        else
            Console.Out.Write(text);
    }
}

/// <summary>What belongs to every result.</summary>
internal sealed record RunConditions(string Base, int Matrices, string FirstShape, int Rank, double Alpha, int Seed, string Device, int Threads);
