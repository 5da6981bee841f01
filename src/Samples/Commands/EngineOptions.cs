using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>What scores a model: <c>--engine</c> and <c>--int8</c>.</summary>
internal sealed class EngineOptions
{
    private const string Torch = "torch", Onnx = "onnx";

    private readonly Option<string> _engine = new Option<string>("--engine")
    {
        Description = "What scores: this library with libtorch, or ONNX Runtime.",
        DefaultValueFactory = _ => Torch,
    }.AcceptOnlyFromAmong(Torch, Onnx);

    private readonly Option<bool> _int8 = new("--int8") { Description = "Score in 8-bit integers on the CPU, by ONNX Runtime: faster, and a little less exact." };

    public EngineOptions(CliCommand command)
    {
        command.Options.Add(_engine);
        command.Options.Add(_int8);
    }

    /// <exception cref="UsageException">The file is missing, is not a model, is one with other columns, or is not scored so.</exception>
    public ModelFile Load(MLContext ml, string path, ParseResult result)
    {
        var file = ModelFile.Load(ml, path);
        try
        {
            if (result.GetRequiredValue(_engine) == Onnx)
                file.UseOnnx(result.GetValue(_int8));
            else if (result.GetValue(_int8))
                file.UseInt8();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
