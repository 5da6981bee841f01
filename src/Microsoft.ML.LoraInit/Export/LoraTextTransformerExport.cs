using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Export;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Onnx;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>Writes trained models in the forms that Python's transformers and PEFT, and ONNX runtimes, read.</summary>
public static class LoraTextTransformerExport
{
    /// <summary>
    /// Writes the adapter as PEFT does, over the untouched base, with the classification head: <c>adapter_config.json</c> and
    /// <c>adapter_model.safetensors</c>, which <c>PeftModel.from_pretrained(base, folder)</c> loads, with the tokenizer's files and a model card (<c>README.md</c>).
    /// </summary>
    /// <remarks>
    /// A temperature is folded into the head, so that Python's probabilities are this model's; of two (<see cref="TemperatureBend"/>) the
    /// single one that comes nearest to them, and the model card says so. Every initialisation converts. Where the base was corrected (PiSSA, IniLoRA and the others of
    /// <see cref="InitializationFamily.BaseCorrected"/>), A and B are stacked with the initial factors to twice the rank, and
    /// nothing is lost. A base that was replaced (LoftQ) has no exact form: it needs <paramref name="rank"/>. An adapter trained
    /// over a base in 4 bits belongs to that base: see <see cref="PeftExport.NeedsQuantizedBase"/>. Biases that were trained too
    /// (<see cref="LoraMethod.Bias"/>) are written as PEFT does. Python's model needs as many
    /// labels as the head has outputs.
    /// </remarks>
    /// <param name="model">The trained model.</param>
    /// <param name="folder">Where to write; the folder must be new or empty, and its parent must exist.</param>
    /// <param name="rank">
    /// The highest rank wanted: layers above it are compressed to their leading singular directions, and the result says
    /// what was lost. Null (the default) keeps everything.
    /// </param>
    /// <returns>Ranks and errors of the layers written.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rank"/> is below 1.</exception>
    /// <exception cref="NotSupportedException">The model was not trained by LoRA, or its base was replaced and no rank is given.</exception>
    /// <exception cref="InvalidDataException">The base is needed and is no longer the one that the model was trained on.</exception>
    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public static PeftExport SavePeftAdapter(this LoraTextTransformer model, string folder, int? rank = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        AtomicFolder.Check(folder);
        using var files = new LazyFiles(model.Model);
        return AdapterFolder.Write(model.Model.State, model.Model.Checkpoint, files.Weight, folder, rank, model.Model.ModelSettings.Scores.Calibration.Temperature, temporary =>
        {
            MergedExport.WriteTokenizer(temporary, files.Open(), model.Model.ModelSettings.Tokenizer ?? TokenizerRule.Plain);
            MergedExport.WriteCard(temporary, model.Model, isAdapter: true);
        });
    }

    /// <summary>
    /// Writes the merged model as a plain RoBERTa with classification head in the Hugging Face layout (<c>config.json</c> with
    /// <c>id2label</c>, <c>model.safetensors</c> in fp32, vocabulary, tokenizer settings and a model card), which
    /// <c>AutoModelForSequenceClassification.from_pretrained(folder)</c> and <c>AutoTokenizer</c> load.
    /// </summary>
    /// <remarks>
    /// A binary model has one logit, that of true: Python's <c>sigmoid</c> of it is the probability. A temperature is folded into the
    /// head, of two (<see cref="TemperatureBend"/>) the single one that comes nearest to them, and the model card says so. The answer to an empty text (the classes' shares of the training rows) is not part of such a model.
    /// </remarks>
    /// <param name="model">The trained model.</param>
    /// <param name="folder">Where to write; the folder must be new or empty, and its parent must exist.</param>
    /// <exception cref="NotSupportedException">The model has bottleneck adapters, which a plain RoBERTa cannot hold.</exception>
    /// <exception cref="InvalidDataException">The base is no longer the one that the model was trained on.</exception>
    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public static void SaveMergedModel(this LoraTextTransformer model, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        AtomicFolder.Check(folder);
        MergedExport.Write(folder, model.Model);
    }

    /// <summary>
    /// Writes the merged model as one ONNX file (opset 14, fp32), which ONNX Runtime and ML.NET's <c>ApplyOnnxModel</c> run
    /// without this library and without libtorch.
    /// </summary>
    /// <remarks>
    /// <para>
    /// Inputs, int64 [batch, length], both sizes free: <c>input_ids</c> with the special tokens, up to the model's maximum
    /// length, and <c>attention_mask</c>, 1 on tokens and 0 on padding (to the right, the id <c>lorainit.pad_token_id</c>).
    /// <see cref="RobertaTextTokenizer"/> makes both.
    /// </para>
    /// <para>
    /// Outputs, fp32 [batch, outputs]: <c>logits</c>, and by task <c>probabilities</c> (of classes or labels),
    /// <c>probability</c> (of true) or <c>score</c> (a number). The file's metadata has <c>lorainit.</c> version, base_model,
    /// base_model_sha256, task, classes (a JSON array in the order of the outputs; of labels too), pairs, max_length,
    /// pad_token_id and, where there are any, temperature and temperature_bend (near, where it ends, far): <c>logits</c> are before them, the other output is after them. A row of special
    /// tokens alone, an empty text's, gets the answer that the model gives to empty texts. Every method can be written, also bottleneck adapters; a model that scores in bf16 is written in fp32.
    /// </para>
    /// </remarks>
    /// <param name="model">The trained model.</param>
    /// <param name="path">The file; replaced where it exists. Its folder must exist.</param>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="NotSupportedException">The weights take more than 2 GB, which is the format's limit.</exception>
    /// <exception cref="InvalidDataException">The base is no longer the one that the model was trained on.</exception>
    /// <exception cref="IOException">The path is a folder, or the file cannot be written.</exception>
    public static void SaveOnnxModel(this LoraTextTransformer model, string path) => model.SaveOnnxModel(path, int8: false);

    /// <summary>Writes the merged model as one ONNX file, whose encoder may multiply in 8 bits (opset 14).</summary>
    /// <remarks>
    /// Inputs, outputs and metadata are those of the file in fp32. In 8 bits the products of the encoder's weights are <c>DynamicQuantizeLinear</c> and <c>MatMulInteger</c>, as ONNX Runtime's own
    /// dynamic quantiser writes them: each column of a weight is rounded with a scale of its own, activations when they come, with one scale a
    /// batch; a row's scores so depend a little on its batch. Embeddings, norms, attention's products and the head stay in fp32. The file's
    /// metadata has <c>lorainit.int8</c> then. On an x86 processor without VNNI, set the session's <c>session.x64quantprecision</c> to
    /// <c>1</c>, or sums may saturate.
    /// </remarks>
    /// <param name="model">The trained model.</param>
    /// <param name="path">The file; replaced where it exists. Its folder must exist.</param>
    /// <param name="int8">Whether to multiply in 8 bits.</param>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="NotSupportedException">The weights take more than 2 GB, which is the format's limit.</exception>
    /// <exception cref="InvalidDataException">The base is no longer the one that the model was trained on.</exception>
    /// <exception cref="IOException">The path is a folder, or the file cannot be written.</exception>
    public static void SaveOnnxModel(this LoraTextTransformer model, string path, bool int8)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        OnnxModelFile.Check(path);
        OnnxExport.Write(path, model.Model, int8);
    }

    /// <summary>The base's files, opened when a weight is asked for.</summary>
    private sealed class LazyFiles(FineTunedModel model) : IDisposable
    {
        private CheckpointFiles? _files;

        public CheckpointFiles Open() => _files ??= model.OpenBase();

        public Tensor Weight(string module)
        {
            var name = $"{module}.weight";
            return Open().LoadTensors(n => n == name, CPU, ScalarType.Float32)[name];
        }

        public void Dispose() => _files?.Dispose();
    }
}
