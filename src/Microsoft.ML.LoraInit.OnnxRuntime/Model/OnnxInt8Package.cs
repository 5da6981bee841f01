using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Onnx;

[assembly: Int8Package(typeof(OnnxInt8Package))]

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary><see cref="ScoringOptions.Int8"/> of models that were trained or loaded with libtorch.</summary>
internal sealed class OnnxInt8Package : IInt8Package
{
    public IRowScorer Create(FineTunedModel model, PredictorOptions options) =>
        new OnnxScorer(OnnxExport.Create(model, int8: true).Model, model.State.Config.PadTokenId, new OnnxScoringOptions { Int8 = true }, options);
}
