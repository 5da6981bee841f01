using System.CommandLine;
using System.Text;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter base</c>: the embedded base as a folder in the Hugging Face layout.</summary>
internal static class AdapterBaseCommand
{
    private const string Settings = """
        {
          "add_prefix_space": false,
          "bos_token": "<s>",
          "cls_token": "<s>",
          "eos_token": "</s>",
          "errors": "replace",
          "mask_token": "<mask>",
          "model_max_length": 512,
          "pad_token": "<pad>",
          "sep_token": "</s>",
          "tokenizer_class": "RobertaTokenizer",
          "trim_offsets": true,
          "unk_token": "<unk>"
        }

        """;

    private const string Card = """
        ---
        library_name: transformers
        pipeline_tag: fill-mask
        language: en
        ---

        # roberta-mini-8k

        The small RoBERTa that Microsoft.ML.LoraInit carries (`mini`): 4 layers, hidden size 256, 8,192 entries of byte-level BPE, 5.4 million
        parameters, English. Trained from scratch by masked-language modelling on text of English Wikipedia (CC BY-SA 3.0) and public-domain
        novels. Weights and tokenizer files may be redistributed.

        Adapters that `lorainit adapter export` wrote over `mini` load over this folder:

        ```python
        from transformers import AutoModelForSequenceClassification
        from peft import PeftModel

        base = AutoModelForSequenceClassification.from_pretrained("BASE", num_labels=2)
        model = PeftModel.from_pretrained(base, "ADAPTER")
        ```

        """;

    public static CliCommand Create(Terminal terminal)
    {
        var folder = new Option<string>("--out") { Description = "A new folder for the model.", HelpName = "DIR", Required = true };
        var command = new CliCommand("base", "Write the embedded base, mini, as a folder that transformers and PEFT load: what exported adapters lie over.") { folder };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(folder);
            OutputPlace.CheckNewFolder(path, "--out");
            AtomicFolder.Write(path, temporary =>
            {
                foreach (var name in (string[])["config.json", "vocab.json", "merges.txt", "model.safetensors"])
                    using (var content = RobertaMiniData.Open(name))
                        AtomicFile.Write(Path.Combine(temporary, name), content.CopyTo);
                Text(temporary, "tokenizer_config.json", Settings);
                Text(temporary, "README.md", Card);
            });
            terminal.Output.WriteLine($"The base 'mini' written to {Path.GetFullPath(path)}.");
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Text(string folder, string name, string text) =>
        AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\n"))));
}
