using System.Runtime.Intrinsics.X86;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>Opens a model in ONNX Runtime.</summary>
internal static class OnnxSession
{
    /// <param name="model">The ONNX file.</param>
    /// <param name="options">What computes.</param>
    /// <param name="threads">Threads of the CPU that an operator may use.</param>
    /// <exception cref="InvalidOperationException">ONNX Runtime's native library or the execution provider is missing, or the provider finds no device.</exception>
    /// <exception cref="InvalidDataException">The file is no model that ONNX Runtime reads.</exception>
    public static InferenceSession Open(byte[] model, OnnxScoringOptions options, int threads)
    {
        try
        {
            using var settings = Settings(options, threads);
            return new(model, settings);
        }
        catch (Exception e) when (IsMissingLibrary(e))
        {
            throw new InvalidOperationException(
                "ONNX Runtime's native library cannot be loaded. Add the package Microsoft.ML.OnnxRuntime to the application (or, for a GPU, Microsoft.ML.OnnxRuntime.Gpu or Microsoft.ML.OnnxRuntime.DirectML), in the version of Microsoft.ML.OnnxRuntime.Managed.", e);
        }
        catch (OnnxRuntimeException e)
        {
            throw new InvalidDataException($"ONNX Runtime cannot use the model: {e.Message}", e);
        }
    }

    private static SessionOptions Settings(OnnxScoringOptions options, int threads)
    {
        var settings = new SessionOptions
        {
            IntraOpNumThreads = threads,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            // It would remember a plan for every shape of a batch, of which there are many.
            EnableMemoryPattern = false,
        };
        try
        {
            // Waiting threads leave the cores to other sessions, engines and the tokenizer.
            settings.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
            if (options.Int8 && !SumsAreExact)
                settings.AddSessionConfigEntry("session.x64quantprecision", "1");
            Append(settings, options);
            return settings;
        }
        catch
        {
            settings.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Without VNNI, products of unsigned by signed bytes are added up in pairs of 16 bits, which saturate; the setting above has them
    /// computed by unsigned bytes, exactly (microsoft/onnxruntime: onnxruntime_session_options_config_keys.h).
    /// </summary>
    private static bool SumsAreExact
    {
        get
        {
            const int Extended = 7, Vnni512 = 1 << 11, Vnni256 = 1 << 4;
            return !X86Base.IsSupported || (X86Base.CpuId(Extended, 0).Ecx & Vnni512) != 0 || (X86Base.CpuId(Extended, 1).Eax & Vnni256) != 0;
        }
    }

    private static void Append(SessionOptions settings, OnnxScoringOptions options)
    {
        if (options.IsOnCpu)
            return;
        var name = options.ExecutionProvider switch
        {
            OnnxExecutionProvider.Cuda => "CUDAExecutionProvider",
            OnnxExecutionProvider.TensorRT => "TensorrtExecutionProvider",
            OnnxExecutionProvider.DirectML => "DmlExecutionProvider",
            _ => "CoreMLExecutionProvider",
        };
        var available = OrtEnv.Instance().GetAvailableProviders();
        if (!available.Contains(name, StringComparer.Ordinal))
            throw new InvalidOperationException(
                $"ExecutionProvider = {options.ExecutionProvider}: the application's ONNX Runtime has no {name}, only {string.Join(", ", available)}. Reference the package that brings it: OnnxExecutionProvider says which.");
        try
        {
            switch (options.ExecutionProvider)
            {
                case OnnxExecutionProvider.TensorRT:
                    settings.AppendExecutionProvider_Tensorrt(options.DeviceId);
                    settings.AppendExecutionProvider_CUDA(options.DeviceId);
                    break;
                case OnnxExecutionProvider.Cuda:
                    settings.AppendExecutionProvider_CUDA(options.DeviceId);
                    break;
                case OnnxExecutionProvider.DirectML:
                    settings.AppendExecutionProvider_DML(options.DeviceId);
                    break;
                default:
                    settings.AppendExecutionProvider_CoreML();
                    break;
            }
        }
        catch (OnnxRuntimeException e)
        {
            throw new InvalidOperationException($"ExecutionProvider = {options.ExecutionProvider}, DeviceId = {options.DeviceId}: {e.Message}", e);
        }
    }

    private static bool IsMissingLibrary(Exception e) =>
        e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException || (e is TypeInitializationException && e.InnerException is { } inner && IsMissingLibrary(inner));
}
