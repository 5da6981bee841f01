using System.CommandLine;
using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter</c>: trained models to and from the forms that other programs read.</summary>
internal static class AdapterCommand
{
    public static CliCommand Create(Terminal terminal, Option<bool> verbose) =>
        new("adapter", "Exchange adapters and models with Python's PEFT and transformers, and with ONNX runtimes.")
        {
            AdapterExportCommand.Create(terminal, verbose),
            AdapterImportCommand.Create(terminal, verbose),
            AdapterMergeCommand.Create(terminal, verbose),
            AdapterOnnxCommand.Create(terminal, verbose),
            AdapterCombineCommand.Create(terminal, verbose),
            AdapterBaseCommand.Create(terminal),
            AdapterInfoCommand.Create(terminal, verbose),
        };

    /// <summary>The option that names a model saved by train.</summary>
    public static Option<string> Model() => new("--model") { Description = "A model saved by train.", HelpName = "FILE", Required = true };

    /// <exception cref="UsageException">The model has no part that this library trained.</exception>
    public static LoraTextTransformer Trained(ModelFile file) =>
        file.Trained ?? throw new UsageException("--model: the file has no model that this program trained.");

    /// <summary>Says where a folder for Python cannot hold the model's probabilities.</summary>
    public static void SayCalibration(Terminal terminal, LoraTextTransformer model)
    {
        if (model.TemperatureBend is not null)
            terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"Probabilities are less exact there than the model's: a head has room for one temperature ({model.Temperature:0.000}), and the model uses two. adapter onnx keeps both."));
    }
}
