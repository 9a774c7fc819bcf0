/* minimal.c: judge one image. The program of the README. */
#include <realjudge.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    rij_model *model = NULL;
    rij_verdict verdict;

    if (argc != 3 || rij_model_open(argv[1], NULL, &model) != RIJ_OK ||
        rij_predict_file(model, argv[2], &verdict) != RIJ_OK) {
        fprintf(stderr, "%s\n", argc == 3 ? rij_last_error() : "minimal MODEL IMAGE");
        return 1;
    }
    printf("%.3f %s\n", verdict.score, verdict.generated ? "generated" : "photograph");
    rij_model_free(model);
    return 0;
}
