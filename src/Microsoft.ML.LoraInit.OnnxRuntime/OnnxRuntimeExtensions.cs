using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Onnx;

namespace Microsoft.ML.LoraInit;

/// <summary>From models that libtorch scores to models that ONNX Runtime scores.</summary>
public static class OnnxRuntimeExtensions
{
    /// <summary>The same model, adapters merged, scored by ONNX Runtime: same columns, same annotations, no libtorch once it is saved.</summary>
    /// <param name="model">The trained model; it stays as it is, and may be disposed afterwards.</param>
    /// <param name="options">How it scores; null for fp32 on the processor.</param>
    /// <returns>A model of its own; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or two exclude each other.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="NotSupportedException">The weights take more than 2 GB, which is the format's limit.</exception>
    /// <exception cref="InvalidDataException">The base is no longer the one that the model was trained on.</exception>
    /// <exception cref="InvalidOperationException">ONNX Runtime's native library or the execution provider is missing.</exception>
    public static OnnxTextTransformer ToOnnxRuntime(this LoraTextTransformer model, OnnxScoringOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new();
        options.Check();
        var trained = model.Model;
        ObjectDisposedException.ThrowIf(trained.State.Tensors.Values.Any(t => t.IsInvalid), model);
        var (file, tokenizer) = OnnxExport.Create(trained, options.Int8);
        var settings = trained.ModelSettings;
        return new(new OnnxTextModel(
            new(settings.Scores, settings.Texts, settings.MaxLength, options.Int8, model.BaseModelId, model.BaseModelSha256) { LongText = settings.LongText }, file, tokenizer, options));
    }

    /// <summary>A pipeline with every model of this library in it replaced: the other steps are shared with the pipeline given.</summary>
    /// <param name="pipeline">A model, or a chain of steps, also one within another.</param>
    /// <param name="options">How its models score; null for fp32 on the processor.</param>
    /// <returns>A chain of its own, whose models the caller disposes with it.</returns>
    /// <exception cref="ArgumentException">No step is a model of this library, or an option is out of range.</exception>
    /// <exception cref="ObjectDisposedException">A model was disposed.</exception>
    /// <exception cref="NotSupportedException">A model's weights take more than 2 GB, which is the format's limit.</exception>
    /// <exception cref="InvalidDataException">The base is no longer the one that a model was trained on.</exception>
    /// <exception cref="InvalidOperationException">ONNX Runtime's native library or the execution provider is missing.</exception>
    public static ITransformer ToOnnxRuntime(this ITransformer pipeline, OnnxScoringOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pipeline);
        if (!Steps(pipeline).Any(s => s is LoraTextTransformer))
            throw new ArgumentException("No step of the pipeline is a LoraTextTransformer, so there is nothing for ONNX Runtime to score.", nameof(pipeline));
        var made = new List<OnnxTextTransformer>();
        try
        {
            return Replace(pipeline);
        }
        catch
        {
            foreach (var model in made)
                model.Dispose();
            throw;
        }

        ITransformer Replace(ITransformer step)
        {
            if (step is LoraTextTransformer model)
            {
                made.Add(model.ToOnnxRuntime(options));
                return made[^1];
            }
            return step is IEnumerable<ITransformer> chain ? new TransformerChain<ITransformer>([.. chain.Select(Replace)]) : step;
        }
    }

    private static IEnumerable<ITransformer> Steps(ITransformer step) =>
        step is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [step];
}
